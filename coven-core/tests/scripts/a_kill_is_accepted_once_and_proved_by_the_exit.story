given launch interactive
given starts
when kill
then recorded KillRequested
then done Terminate
then status killed
then ended none

when kill
then refused session_not_live
then recorded nothing
when input \x03
then refused session_not_live
when archive
then refused session_live
when delete
then refused session_live

# What it still writes is recorded; nothing is lost because it is dying.
when writes caught a signal\r\n
then recorded Output
given output-ends
when dies-of 15
then status killed
then exit_code none
then exit_signal 15
then ended yes
