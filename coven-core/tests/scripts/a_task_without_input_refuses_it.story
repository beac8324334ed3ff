given launch nonInteractive
given starts
when input y\r
then refused session_not_live
then recorded nothing
then done nothing
# It has a terminal for its output, though.
when resize 120x40
then recorded Resized
