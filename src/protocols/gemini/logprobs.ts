import { type Json, readNumber, readObject, readObjects, readString } from '../../core/json.ts';
import { camel, objectField } from './wire.ts';

/** `logprobsResult` as records `{token, logprob, bytes, top_logprobs}`, one for each token, which is how the hall holds them. */
export function readLogprobs(candidate: Json): readonly Json[] | undefined {
  const wire = objectField(candidate, 'logprobsResult');
  if (!wire) return undefined;
  const { chosenCandidates, topCandidates } = camel(wire);
  const tops = readObjects(topCandidates).map((place) => readObjects(place.candidates).map(record));
  const chosen = readObjects(chosenCandidates).map((token, place) => ({
    ...record(token),
    top_logprobs: tops[place] ?? [],
  }));
  return chosen.length > 0 ? chosen : undefined;
}

function record(wire: Json): Json {
  const { token, logProbability } = camel(wire);
  const text = readString(token) ?? '';
  return { token: text, logprob: readNumber(logProbability) ?? 0, bytes: [...Buffer.from(text)] };
}

/** The same, the other way; undefined when there are none. */
export function writeLogprobs(records: readonly Json[]): Json | undefined {
  if (records.length === 0) return undefined;
  return {
    chosenCandidates: records.map(tokenOf),
    topCandidates: records.map((record) => ({ candidates: readObjects(record.top_logprobs).map(tokenOf) })),
  };
}

const tokenOf = (record: Json): Json => {
  const { token, logprob } = readObject(record) ?? {};
  return { token, logProbability: logprob };
};
