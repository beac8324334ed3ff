given launch interactive
when is-lost launch_interrupted
then status orphaned
when starts
then refused internal_error
