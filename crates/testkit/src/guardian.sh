# Keeps one server and its directory for as long as standard input stays open: when the test process is gone, however
# it went, the pipe closes, and the server and the directory go too.
# Orders come as lines; each is answered by one. Commands and their settings come in the environment.
trap '' HUP INT TERM PIPE
pid=

stop() {
  [ -n "$pid" ] || return 0
  sh -c "$STOP" stop "$pid"
  wait "$pid"
  pid=
}

while read -r order; do
  answer=ok
  case $order in
    prepare) sh -c "$PREPARE" </dev/null >>"$LOG" 2>&1 || answer=failed ;;
    start)
      sh -c "$SERVE" </dev/null >>"$LOG" 2>&1 &
      pid=$!
      ;;
    stop) stop >>"$LOG" 2>&1 ;;
    # `jobs` collects a server that has ended, so that its process id is not taken for a live one.
    alive)
      jobs >/dev/null 2>&1
      { [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; } || answer=dead
      ;;
  esac
  echo "$answer"
done

stop >>"$LOG" 2>&1
sh -c "$CLEAN" >>"$LOG" 2>&1
rm -rf "$DIR"
