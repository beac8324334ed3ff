given launch interactive
when fails-to-start codex: no such executable
then recorded LaunchFailed
then status failed
then exit_code none
then ended yes
when input hello
then refused session_not_live
when archive
then archived yes
