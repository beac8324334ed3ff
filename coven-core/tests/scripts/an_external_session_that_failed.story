given register
when complete 7
then status failed
then exit_code 7
