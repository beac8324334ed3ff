#!/bin/bash
# A run of the project's tests as a person sees one: names, colours, times, a failure in the middle. The names
# are those of the tests in the project's files.
cd "$(dirname "$0")" || exit 1
green=$'\e[32m' red=$'\e[1;31m' dim=$'\e[2m' bold=$'\e[1m' off=$'\e[0m'
count=0
for file in $(find "${1:-coven-core/tests}" -name '*.rs' | sort); do
  printf '%s     Running%s %s %s(target/debug/deps/%s-%08x)%s\n' "$bold$green" "$off" "$file" "$dim" \
    "$(basename "$file" .rs)" $((RANDOM * RANDOM)) "$off"
  for name in $(grep -A3 -E '^ *#\[test\]' "$file" | grep -oP 'fn \K\w+'); do
    count=$((count + 1))
    ms=$((RANDOM % 900))
    sleep 0.0$((ms % 6))
    case $((count % 41)) in
    40) printf 'test %s ... %signored%s, needs a terminal\n' "$name" $'\e[33m' "$off" ;;
    23) printf 'test %s ... %sFAILED%s %s(%d.%03d s)%s\n' "$name" "$red" "$off" "$dim" $((ms / 300)) $ms "$off" ;;
    *) printf 'test %s ... %sok%s %s(0.%03d s)%s\n' "$name" "$green" "$off" "$dim" $ms "$off" ;;
    esac
  done
done
printf '\n%stest result%s: %d tests, finished in %d.%02d s\n' "$bold" "$off" $count $SECONDS $((RANDOM % 100))
