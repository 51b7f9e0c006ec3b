set -e
export PACT_DO_NOT_TRACK=true STUB_PORT="${STUB_PORT:-8080}" FAKE_PORT="${FAKE_PORT:-8081}"
PACTS=node_modules/effect-highlevel/contracts/pacts

# The application's own tests, against a stub of HighLevel. The stub ends with the CI job.
pact-stub-server -p "$STUB_PORT" -f "$PACTS/effect-highlevel-highlevel-api.json" -l error &
node --test inbox.test.js

# A fake of HighLevel, here the sandbox, against both contracts.
for MODE in documented observed; do
  effect-highlevel sandbox --port "$FAKE_PORT" --responses "$MODE" --provider-states > /dev/null &
  FAKE=$!
  until curl -s -o /dev/null "http://127.0.0.1:$FAKE_PORT"; do sleep 0.1; done
  case "$MODE" in documented) SUFFIX= ;; observed) SUFFIX=-observed ;; esac
  pact-verifier --hostname 127.0.0.1 --port "$FAKE_PORT" -f "$PACTS/effect-highlevel-highlevel-api$SUFFIX.json" \
    --state-change-url "http://127.0.0.1:$FAKE_PORT/_pact/provider-states"
  kill "$FAKE"
  wait "$FAKE" || true
done

# All contracts in your broker, as those of the client that you depend on. Under the name
# PACT_BROKER_BASE_URL, the stub server would load its contracts from there, too.
if [ -n "$BROKER_URL" ]; then
  pact-broker publish "$PACTS" --consumer-app-version "${GIT_COMMIT:-$(git rev-parse HEAD)}" --branch main \
    -b "$BROKER_URL" -k "$BROKER_TOKEN"
fi
