given register
then status running
then title External session
when input hello
then refused session_not_live
when kill
then refused external_session_not_killable
when resize 120x40
then refused session_not_live
when is-lost reboot
then refused internal_error
when archive
then refused session_live
when complete
then recorded Completed
then status completed
then exit_code none
when complete 1
then refused session_not_live
then status completed
when archive
then recorded Archived
