// Streams a recording of Volo through an exported decoder, hop by hop, and prints the decisions.
//
//   npm install --ignore-scripts
//   node stream.mjs speller.onnx recording.xdf
//
// What a host must do is in docs/export.md; this is all of it, but for gaps in the recording.
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import { readManifest } from './manifest.mjs';
import { readXdf } from './xdf.mjs';

const [modelPath, recordingPath] = process.argv.slice(2);
if (!recordingPath) {
  console.error('usage: node stream.mjs MODEL.onnx RECORDING.xdf');
  process.exit(2);
}
const bytes = readFileSync(modelPath);
const manifest = readManifest(bytes);
const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const names = manifest.states.map((state) => state.name);
const ARRAYS = { float64: Float64Array, float32: Float32Array, int64: BigInt64Array, bool: Uint8Array };

// the recording: the signal, its stamps with the corrections that were told, and the markers
const streams = readXdf(recordingPath);
const signal = [...streams.values()].find((stream) => stream.rateHz === manifest.stream.rate_hz);
if (!signal) throw new Error(`the recording has no stream at ${manifest.stream.rate_hz} Hz`);
const rowsOf = (name) => (streams.get(name)?.rows ?? []).map((row, k) => [streams.get(name).times[k], JSON.parse(row[0])]);
const columns = manifest.stream.channels.map(({ name }) => signal.labels.indexOf(name));
if (columns.includes(-1)) throw new Error('the recording lacks channels that the decoder was fitted on');
const segments = rowsOf('volo-segments').filter(([, segment]) => segment.stream === signal.name);
if (segments.length > 1) throw new Error('the recording has gaps, which this example does not handle');
const first = segments.length ? segments[0][1].index : 0; // absolute index of the first sample
const times = Float64Array.from(signal.times);
for (const [, correction] of rowsOf('volo-corrections').filter(([, c]) => c.stream === signal.name)) {
  for (let k = Math.max(0, correction.index - first); k < times.length; k += 1) times[k] = signal.times[k] + correction.offset_s;
}
const onsets = rowsOf('volo-markers')
  .filter(([, marker]) => marker.label === manifest.chain.window.onset_label)
  .map(([time, marker], k) => ({ sample: nearest(time), trial: marker.payload?.trial ?? k, length: 1 }));

function nearest(time) {
  let k = times.findIndex((t) => t >= time);
  if (k < 0) k = times.length - 1;
  return k && time - times[k - 1] <= times[k] - time ? k - 1 : k;
}

function zeros({ name, dtype, shape }) {
  const size = shape.reduce((a, b) => a * b, 1);
  return [name, new ort.Tensor(dtype, new ARRAYS[dtype](size), shape)];
}

async function run(chunk, onset, length) {
  return session.run({
    chunk: new ort.Tensor('float64', chunk, [manifest.hop_samples, columns.length]),
    onset: new ort.Tensor('int64', BigInt64Array.of(BigInt(onset)), [1]),
    length: new ort.Tensor('int64', BigInt64Array.of(BigInt(length)), [1]),
    ...states,
  });
}

// when to decide, as docs/export.md has it
function confidence(scores, nSamples) {
  const sorted = [...scores].sort((a, b) => b - a);
  if (manifest.stopping.kind === 'fixed') {
    return 1 / scores.reduce((sum, score) => sum + Math.exp(score - sorted[0]), 0);
  }
  const k = manifest.stopping.n_samples.indexOf(nSamples);
  if (k < 0) return 0;
  const { intercepts, slopes } = manifest.stopping;
  return 1 / (1 + Math.exp(-(intercepts[k] + slopes[k] * (sorted[0] - sorted[1]))));
}

function decide(scores, nSamples) {
  const sure = confidence(scores, nSamples);
  const { kind, threshold, least_confidence: least, n_samples: fixed } = manifest.stopping;
  const enough = kind === 'fixed' ? nSamples >= fixed : sure >= threshold;
  if (!enough && nSamples < manifest.lengths_samples.at(-1)) return null;
  const label = kind !== 'fixed' && sure < least ? null : manifest.classes[scores.indexOf(Math.max(...scores))];
  return { label, confidence: sure };
}

let states = Object.fromEntries(manifest.states.map(zeros));
const hop = manifest.hop_samples;
const decisions = [];
// hops begin at multiples of their length; the first is filled up in front with copies of the first sample
for (let start = -(first % hop); start + hop <= times.length; start += hop) {
  const indices = Array.from({ length: hop }, (_, k) => Math.max(0, start + k));
  const chunk = Float64Array.from(indices.flatMap((k) => columns.map((c) => signal.rows[k][c])));
  const after = await run(chunk, -1, 0);
  states = Object.fromEntries(names.map((name) => [name, after[`${name}_next`]]));
  const next = start + hop;
  for (const trial of onsets) {
    while (trial.length) {
      const nSamples = manifest.lengths_samples[trial.length - 1];
      const stop = trial.sample + manifest.offset_samples + nSamples;
      if (stop > next) break;
      const invalid = Math.max(0, Math.min(nSamples, manifest.settle_samples - (stop - nSamples)));
      const asked = trial.length;
      trial.length = asked < manifest.lengths_samples.length ? asked + 1 : 0;
      if (1 - invalid / nSamples < manifest.least_valid_fraction) continue;
      const answer = await run(chunk, next - trial.sample, asked);
      if (Number(answer.ready.data[0]) !== asked) continue;
      const decision = decide([...answer.scores.data], nSamples);
      if (decision) {
        decisions.push({ trial: trial.trial, stop_index: first + stop, ...decision });
        trial.length = 0;
      }
    }
  }
}
console.log(JSON.stringify({ decoder: manifest.decoder_id, decisions }));
