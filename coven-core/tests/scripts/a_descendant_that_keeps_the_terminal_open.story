# The deadline passed: the output is cut, and the exit says so.
given launch nonInteractive
given starts
given writes started a server\r\n
when output-is-cut
then recorded OutputClosed
when writes too late
then refused internal_error
then output_bytes 18
when output-ends
then refused internal_error
when exits 0
then status completed
