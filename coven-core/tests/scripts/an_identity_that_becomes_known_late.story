# Codex makes its own thread id; it is found while the process runs, often only at its end.
given launch interactive init my-thread
given starts
then identity none
when identifies-as 0197a1b2-9999-7000-8000-000000000009
then recorded Identified
then identity 0197a1b2-9999-7000-8000-000000000009
when identifies-as 0197a1b2-9999-7000-8000-000000000009
then recorded nothing
given output-ends
given exits 0
when identifies-as something-else
then refused internal_error
then identity 0197a1b2-9999-7000-8000-000000000009
