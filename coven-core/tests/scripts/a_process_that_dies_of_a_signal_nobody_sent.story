given launch interactive
given starts
given output-ends
when dies-of 11
then status failed
then exit_code none
then exit_signal 11
