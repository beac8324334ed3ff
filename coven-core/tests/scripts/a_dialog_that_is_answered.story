given launch interactive
given starts
given writes Allow? [y/n]
when input y\r
then recorded Input
then done Deliver
when resize 120x40
then recorded Resized
then done Resize
then size 120x40
when writes \r\nok\r\n
then output_bytes 18
