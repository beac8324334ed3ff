# The terminal echoes nothing: the length is recorded, the bytes are only delivered.
given launch interactive
given starts
given writes Password:
when secret hunter2\r
then recorded Input
then done Deliver
then typed 8 bytes unseen
when input ok\r
then typed ok\r
