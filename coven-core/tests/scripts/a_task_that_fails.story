given launch nonInteractive
given starts
given output-ends
when exits 3
then status failed
then exit_code 3
