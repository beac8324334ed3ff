# Accepted at once; the process may come all the same, and then must die.
given launch interactive
when kill
then recorded KillRequested
then done CancelSpawn
then status killed
then ended none
when starts
then recorded Started
then done Terminate
then status killed
given output-ends
when dies-of 1
then status killed
then ended yes
