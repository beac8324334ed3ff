# At any time of its life, and only a change is recorded.
given launch interactive
when title fix the tests
then recorded Titled
then title fix the tests
given starts
when labels team:red urgent
then recorded Labelled
then labels team:red urgent
when labels team:red urgent
then recorded nothing
given output-ends
given exits 0
when title done
then recorded Titled
then title done
