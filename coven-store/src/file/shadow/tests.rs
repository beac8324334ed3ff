use redb::backends::InMemoryBackend;
use rustix::io::Errno;

use super::*;

/// A file that there is room for one page of.
#[derive(Debug)]
struct OnePage(InMemoryBackend);

const PAGE: u64 = 4096;

impl StorageBackend for OnePage {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match offset + data.len() as u64 {
            end if end > PAGE => Err(Errno::NOSPC.into()),
            _ => self.0.write(offset, data),
        }
    }
}

#[test]
fn no_commit_is_named_in_a_file_that_has_no_room_for_its_pages() {
    let file = InMemoryBackend::new();
    file.set_len(2 * PAGE).expect("memory");
    let holes = tempfile::tempfile().expect("a file");
    let shadow = Shadow::held(Box::new(OnePage(file)), Box::new(holes), Locking::None);
    let shadow = shadow.expect("it has a length");
    shadow.write(0, b"the last is 2").expect("held");
    shadow.write(PAGE, b"what 2 is").expect("held");
    shadow.sync_data().expect("held");
    let full = shadow.release().expect_err("there is no room");
    assert_eq!(full.raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
    let mut first = [0; 13];
    shadow.0.file.read(0, &mut first).expect("memory");
    assert_eq!(first, [0; 13]);
    shadow.read(0, &mut first).expect("memory");
    assert_eq!(&first, b"the last is 2", "who reads sees no difference");
}

/// A file of which the disk gives nothing.
#[derive(Debug)]
struct Unread(InMemoryBackend);

impl StorageBackend for Unread {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(Errno::IO.into())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

#[test]
fn what_is_held_whole_is_read_though_the_disk_does_not_give_what_was_there() {
    let file = InMemoryBackend::new();
    file.set_len(2 * PAGE).expect("memory");
    let holes = tempfile::tempfile().expect("a file");
    let shadow = Shadow::held(Box::new(Unread(file)), Box::new(holes), Locking::None);
    let shadow = shadow.expect("it has a length");
    shadow.write(PAGE, &[7; PAGE as usize]).expect("it is held");
    let mut page = [0; PAGE as usize];
    shadow.read(PAGE, &mut page).expect("it is held");
    assert_eq!(page, [7; PAGE as usize]);
    shadow
        .read(PAGE - 1, &mut page)
        .expect_err("not all of it is");
}
