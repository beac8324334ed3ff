given launch interactive
given starts
when complete 0
then refused not_external_session
then status running
