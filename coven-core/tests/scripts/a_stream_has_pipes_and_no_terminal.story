given launch stream
given starts
when stdout {"type":"system"}\n
then output_bytes 18
when stderr warning\n
then output_bytes 26
when input {"type":"user"}\n
then recorded Input
when resize 120x40
then refused session_not_live
