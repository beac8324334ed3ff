# Who held its terminal is out of reach: all that is left to know is that it is gone.
given launch interactive
given starts
when dies-unseen
then refused internal_error
given kill
given output-is-cut
when dies-unseen
then recorded Exited
then status killed
then exit_code none
then exit_signal none
then ended yes
