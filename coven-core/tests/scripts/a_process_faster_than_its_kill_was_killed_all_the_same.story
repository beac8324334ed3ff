given launch interactive
given starts
given output-ends
when kill
then recorded KillRequested
when exits 0
then status killed
then exit_code none
