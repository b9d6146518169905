// Reads the manifest out of an exported file: onnxruntime for JavaScript does not hand out a model's metadata.

/** Returns the object in the metadata entry `volo.manifest` of the bytes of an ONNX file. */
export function readManifest(bytes) {
  const text = new TextDecoder();
  for (const [number, entry] of fields(bytes)) {
    if (number !== 14) continue; // ModelProto.metadata_props
    const pair = new Map(fields(entry));
    if (text.decode(pair.get(1)) === 'volo.manifest') return JSON.parse(text.decode(pair.get(2)));
  }
  throw new Error('the file has no manifest: Volo did not export it');
}

function* fields(bytes) {
  let at = 0;
  const number = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at];
      at += 1;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = number();
    const kind = key % 8;
    if (kind === 0) yield [Math.floor(key / 8), number()];
    else {
      const size = kind === 2 ? number() : kind === 1 ? 8 : 4;
      yield [Math.floor(key / 8), bytes.subarray(at, at + size)];
      at += size;
    }
  }
}
