given launch interactive
given starts
given writes half a
when is-lost engine_died
then recorded Orphaned
then status orphaned
then exit_code none
then ended yes
then output_bytes 6
when writes ghost
then refused internal_error
when is-lost reboot
then refused internal_error
when archive
then recorded Archived
when delete
then recorded Deleted
