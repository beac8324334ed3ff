# The seed's session: a launch, a process, its output, its exit.
given launch nonInteractive
then status created
then title fix the failing tests
then process none

when starts
then recorded Started
then status running
then process 4242

when writes \e[1mrunning tests\e[0m\r\n
then recorded Output
then output_bytes 23
when writes \xff\xfe not text \x1b
then output_bytes 36

when output-ends
then recorded OutputClosed
then status running
then ended none
when exits 0
then recorded Exited
then status completed
then exit_code 0
then exit_signal none
then ended yes
then process none
