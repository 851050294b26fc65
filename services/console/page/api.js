// Asking the API, and hearing what is new.

/** An answer that says what is wrong. */
export class Failure extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

export async function ask(path, parameters, signal) {
  const query = new URLSearchParams(Object.entries(parameters ?? {}).filter(([, value]) => value));
  const text = query.toString();
  const response = await fetch(`/api/v1/${path}${text ? `?${text}` : ''}`, { signal });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Failure(response.status, answer.error?.reason ?? response.statusText);
  return answer;
}

let policies = [];

/** The policies in force with their tiers, best first, as last heard. */
export function knownPolicies() {
  return policies;
}

export async function askTiers(signal) {
  const answer = await ask('tiers', {}, signal);
  policies = answer.policies;
  return answer;
}

/** Hears changes, signals and deliveries as they come; `heard(kind, item)`, `state(is connected)`. */
export function listen(heard, state) {
  const source = new EventSource('/api/v1/live');
  for (const kind of ['change', 'signal', 'delivery', 'reset']) {
    source.addEventListener(kind, (event) => heard(kind, JSON.parse(event.data)));
  }
  source.onopen = () => state(true);
  source.onerror = () => {
    state(false);
    // The browser tries again by itself, unless it was refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(heard, state), 5000);
  };
}
