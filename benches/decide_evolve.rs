//! What the pure core costs per event: deciding, folding, cutting output, replaying.

use std::hint::black_box;

use bytes::Bytes;
use coven_core::{
    Channel, Command, Draft, Envelope, Event, LaunchRequest, Place, ProcessFacts, Record, Seq,
    SessionId, Timestamp, decide,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

#[path = "support/payload.rs"]
mod payload;

criterion_group!(benches, output_events, output_cut, replay);
criterion_main!(benches);

/// One output event of 1 KiB on its way: decided, and folded into the record.
fn output_events(c: &mut Criterion) {
    let record = running();
    let data = Bytes::from(payload::agent_output(7, 1024));
    let mut group = c.benchmark_group("output event of 1 KiB");
    group.throughput(Throughput::Elements(1));
    group.bench_function("decide + evolve", |b| {
        b.iter_batched(
            || record.clone(),
            |record| {
                let command = Command::RecordOutput {
                    channel: Channel::Tty,
                    data: data.clone(),
                };
                let decision = decide(&record.session, command).expect("it runs");
                let event = decision.events.into_iter().next().expect("one event");
                Record::fold(Some(record), &envelope(9, event)).expect("it folds")
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Finding where a gathered read is cut.
fn output_cut(c: &mut Criterion) {
    let data = payload::agent_output(7, 64 * 1024);
    let mut group = c.benchmark_group("output cut");
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("64 KiB of agent output", |b| {
        b.iter(|| {
            let mut rest = black_box(&data[..]);
            while !rest.is_empty() {
                rest = &rest[decide::output_cut(rest)..];
            }
        });
    });
    group.finish();
}

/// Folding a session again from its first event.
fn replay(c: &mut Criterion) {
    let mut record = running();
    let mut log = Vec::new();
    for number in 0..10_000 {
        let data = Bytes::from(payload::agent_output(number, 1024));
        let event = Event::Output {
            offset: record.session.output_bytes,
            channel: Channel::Tty,
            data,
        };
        let envelope = envelope(number + 9, event);
        record = Record::fold(Some(record), &envelope).expect("it folds");
        log.push(envelope);
    }
    let mut group = c.benchmark_group("replay");
    group.throughput(Throughput::Elements(log.len() as u64));
    group.bench_function("10,000 events of 1 KiB", |b| {
        b.iter_batched(
            running,
            |record| {
                log.iter()
                    .try_fold(record, |r, e| Record::fold(Some(r), e))
                    .expect("a log")
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn running() -> Record {
    let request = LaunchRequest {
        project_root: Some("/home/ada/project".to_owned()),
        harness: Some("codex".to_owned()),
        prompt: Some("fix the failing tests".to_owned()),
        ..LaunchRequest::default()
    };
    let place = Place::new("/home/ada/project", "/home/ada/project/src").expect("a place");
    let launch = Draft::parse(&request).expect("a launch").at(place);
    let created = envelope(
        1,
        Event::Created {
            launch: Box::new(launch),
            boot_id: None,
        },
    );
    let started = Event::Started {
        process: ProcessFacts {
            pid: 4242,
            start_time: 99,
            boot_id: "3e6b0d0c-8a52-4b0f-9d5e-2f1f6f0c7a11".to_owned(),
            shim_pid: None,
        },
        executable: "/usr/bin/codex".to_owned(),
        argv: vec!["codex".to_owned()],
    };
    let record = Record::fold(None, &created).expect("it begins");
    Record::fold(Some(record), &envelope(2, started)).expect("it starts")
}

fn envelope(number: u64, event: Event) -> Envelope {
    Envelope {
        seq: Seq::new(number),
        session: SessionId::parse("0197a1b2-0000-7000-8000-000000000001").expect("a UUID"),
        at: Timestamp::from_nanos(1_700_000_000_000_000_000),
        actor: None,
        event,
    }
}
