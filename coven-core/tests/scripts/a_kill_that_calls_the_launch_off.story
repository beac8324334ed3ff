given launch interactive
given kill
when fails-to-start called off
then recorded LaunchFailed
then status killed
then ended yes
then exit_code none
