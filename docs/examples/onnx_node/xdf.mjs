// Reads the streams of an XDF file: names, stamps, samples. Enough for recordings of Volo; not a general reader.
import { readFileSync } from 'node:fs';

const VALUES = {
  float32: [4, (v, at) => v.getFloat32(at, true)],
  double64: [8, (v, at) => v.getFloat64(at, true)],
  int8: [1, (v, at) => v.getInt8(at)],
  int16: [2, (v, at) => v.getInt16(at, true)],
  int32: [4, (v, at) => v.getInt32(at, true)],
  int64: [8, (v, at) => Number(v.getBigInt64(at, true))],
};

/** Returns a map from a stream's name to {name, labels, format, nChannels, rateHz, times, rows}. */
export function readXdf(path) {
  const bytes = readFileSync(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = new TextDecoder();
  if (text.decode(bytes.subarray(0, 4)) !== 'XDF:') throw new Error(`${path} is no XDF file`);
  const streams = new Map();
  let at = 4;

  function length() { // one byte that says how many bytes the number has, then the number
    const size = view.getUint8(at);
    at += 1 + size;
    if (size === 1) return view.getUint8(at - 1);
    if (size === 4) return view.getUint32(at - 4, true);
    return Number(view.getBigUint64(at - 8, true));
  }

  while (at < bytes.length) {
    const end = length() + at;
    const tag = view.getUint16(at, true);
    at += 2;
    if (tag === 2) { // the description of a stream
      const id = view.getUint32(at, true);
      const xml = text.decode(bytes.subarray(at + 4, end));
      const value = (name) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? '';
      streams.set(id, {
        name: value('name'), format: value('channel_format'), nChannels: Number(value('channel_count')),
        rateHz: Number(value('nominal_srate')), times: [], rows: [],
        labels: [...xml.matchAll(/<label>([^<]*)<\/label>/g)].map((match) => match[1]),
      });
    } else if (tag === 3) { // samples of a stream
      const stream = streams.get(view.getUint32(at, true));
      at += 4;
      for (let n = length(); n > 0; n -= 1) {
        const stamped = view.getUint8(at) === 8;
        stream.times.push(stamped ? view.getFloat64(at + 1, true) : stream.times.at(-1) + 1 / stream.rateHz);
        at += stamped ? 9 : 1;
        const row = [];
        for (let c = 0; c < stream.nChannels; c += 1) {
          if (stream.format === 'string') {
            const size = length();
            row.push(text.decode(bytes.subarray(at, at + size)));
            at += size;
          } else {
            const [size, get] = VALUES[stream.format];
            row.push(get(view, at));
            at += size;
          }
        }
        stream.rows.push(row);
      }
    }
    at = end;
  }
  return new Map([...streams.values()].map((stream) => [stream.name, stream]));
}
