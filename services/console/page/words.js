// Words in the reader's language, and numbers, money and times as that language writes them.

const LANGUAGES = { en: 'en-GB', zh: 'zh-CN' };
const REMEMBERED = 'tiermesh.language';

let language = 'en';
let words = {};

/** The language: the one chosen before, else the browser's, else English. */
export async function loadWords() {
  const preferred = (navigator.language ?? 'en').toLowerCase().startsWith('zh') ? 'zh' : 'en';
  await use(remembered() ?? preferred);
}

export async function switchLanguage() {
  const other = language === 'en' ? 'zh' : 'en';
  await use(other);
  try {
    localStorage.setItem(REMEMBERED, other);
  } catch {
    // Nothing can be remembered here: then it is chosen again the next time.
  }
}

function remembered() {
  try {
    const found = localStorage.getItem(REMEMBERED);
    return found in LANGUAGES ? found : null;
  } catch {
    return null;
  }
}

async function use(chosen) {
  const response = await fetch(`/console/words/${chosen}.json`);
  words = await response.json();
  language = chosen;
  document.documentElement.lang = LANGUAGES[chosen];
}

/** The words of a key; `{name}` in them stands for a parameter. */
export function t(key, parameters) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => parameters?.[name] ?? '');
}

/** The word for a name that comes from outside: itself, where there is none. */
export function named(group, name) {
  return words[`${group}.${name}`] ?? name;
}

export function number(value, digits) {
  return new Intl.NumberFormat(LANGUAGES[language], { maximumFractionDigits: digits ?? 2 }).format(value);
}

/** What is expected: of rare things two digits that say something. */
export function roughly(value) {
  const digits = value < 1 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 1 };
  return new Intl.NumberFormat(LANGUAGES[language], digits).format(value);
}

export function percent(value, digits) {
  const options = { style: 'percent', maximumFractionDigits: digits ?? 1 };
  return new Intl.NumberFormat(LANGUAGES[language], options).format(value);
}

export function money(value, currency) {
  try {
    const options = { style: 'currency', currency, currencyDisplay: 'narrowSymbol' };
    return new Intl.NumberFormat(LANGUAGES[language], options).format(value);
  } catch {
    return `${value} ${currency}`;
  }
}

export function instant(text) {
  if (!text) return '–';
  return new Intl.DateTimeFormat(LANGUAGES[language], { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(text));
}

const UNITS = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];

/** How long ago, for the last month; the date otherwise. */
export function ago(text) {
  if (!text) return '–';
  const seconds = (new Date(text) - new Date()) / 1000;
  if (Math.abs(seconds) > 30 * 86400) {
    return new Intl.DateTimeFormat(LANGUAGES[language], { dateStyle: 'medium' }).format(new Date(text));
  }
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  const format = new Intl.RelativeTimeFormat(LANGUAGES[language], { numeric: 'auto' });
  return format.format(Math.round(seconds / size), unit);
}
