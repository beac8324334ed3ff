given launch interactive resume c1
given starts
given output-ends
when exits 1
then status failed
