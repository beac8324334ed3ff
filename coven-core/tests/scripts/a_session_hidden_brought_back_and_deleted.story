given launch nonInteractive
when archive
then refused session_live
given starts
given output-ends
given exits 0
when archive
then recorded Archived
then archived yes
when archive
then recorded nothing
then archived yes
when summon
then recorded Summoned
then archived none
when summon
then recorded nothing
when delete
then recorded Deleted
when delete
then refused session_not_found
when summon
then refused session_not_found
when title ghost
then refused session_not_found
