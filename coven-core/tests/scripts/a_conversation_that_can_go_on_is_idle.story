# Claude Code is told its id at launch; the session names the conversation, so exit 0 is idle.
given launch interactive init 0197a1b2-1111-4222-8333-444455556666 known-as 0197a1b2-1111-4222-8333-444455556666
then identity 0197a1b2-1111-4222-8333-444455556666
given starts
given output-ends
when exits 0
then status idle
then exit_code 0
