// Streams raw samples through an exported decoder, hop by hop, with onnxruntime's C++ interface.
//
// NOT COMPILED by the tests: it shows the calls. It reads samples as text, one sample a line, channels in the order of
// the manifest, from standard input; the word "onset" on a line of its own marks the sample that comes next.
//
//   c++ -std=c++17 stream.cpp -lonnxruntime -o stream && ./stream speller.onnx < samples.txt
//
// docs/export.md has the contract; the manifest (classes, hop, window lengths) is the metadata entry "volo.manifest".
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

struct State {
  std::string name;
  ONNXTensorElementDataType type;
  std::vector<int64_t> shape;
};

Ort::Value zeros(const State& state, Ort::AllocatorWithDefaultOptions& allocator) {
  auto value = Ort::Value::CreateTensor(allocator, state.shape.data(), state.shape.size(), state.type);
  const auto info = value.GetTensorTypeAndShapeInfo();
  const size_t width = state.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL    ? 1
                       : state.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT ? 4
                                                                           : 8;
  auto* bytes = static_cast<unsigned char*>(value.GetTensorMutableRawData());
  std::fill(bytes, bytes + info.GetElementCount() * width, 0);
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: stream MODEL.onnx < samples.txt\n";
    return 2;
  }
  Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "volo");
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  options.SetInterOpNumThreads(1);
  Ort::Session session(env, argv[1], options);
  Ort::AllocatorWithDefaultOptions allocator;
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);

  // inputs are "chunk", "onset", "length", and then the states, all of fixed shape
  std::vector<State> states;
  std::vector<int64_t> chunk_shape;
  for (size_t k = 0; k < session.GetInputCount(); ++k) {
    const std::string name = session.GetInputNameAllocated(k, allocator).get();
    const auto type_info = session.GetInputTypeInfo(k);
    const auto info = type_info.GetTensorTypeAndShapeInfo();
    if (name == "chunk") {
      chunk_shape = info.GetShape();
    } else if (name != "onset" && name != "length") {
      states.push_back({name, info.GetElementType(), info.GetShape()});
    }
  }
  std::vector<Ort::Value> values;
  for (const auto& state : states) values.push_back(zeros(state, allocator));

  std::vector<std::string> input_names{"chunk", "onset", "length"}, output_names{"scores", "ready"};
  for (const auto& state : states) {
    input_names.push_back(state.name);
    output_names.push_back(state.name + "_next");
  }
  std::vector<const char*> inputs, outputs;
  for (const auto& name : input_names) inputs.push_back(name.c_str());
  for (const auto& name : output_names) outputs.push_back(name.c_str());

  const int64_t hop = chunk_shape[0], n_channels = chunk_shape[1];
  std::vector<double> chunk;
  int64_t index = 0, onset_index = -1;  // of the chunk's first sample; of the last marker's sample
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "onset") {
      onset_index = index + static_cast<int64_t>(chunk.size()) / n_channels;
      continue;
    }
    std::istringstream numbers(line);
    for (double number; numbers >> number;) chunk.push_back(number);
    if (static_cast<int64_t>(chunk.size()) < hop * n_channels) continue;

    // a marker inside this chunk (index < onset_index) is asked for from the next chunk on: no window ends so soon
    const int64_t one = 1, length = 0;
    int64_t onset = onset_index >= 0 && index >= onset_index ? index - onset_index : -1;
    int64_t asked = length;
    std::vector<Ort::Value> feeds;
    feeds.push_back(Ort::Value::CreateTensor<double>(memory, chunk.data(), chunk.size(), chunk_shape.data(), 2));
    feeds.push_back(Ort::Value::CreateTensor<int64_t>(memory, &onset, 1, &one, 1));
    feeds.push_back(Ort::Value::CreateTensor<int64_t>(memory, &asked, 1, &one, 1));
    for (auto& value : values) feeds.push_back(std::move(value));
    auto results = session.Run(Ort::RunOptions{nullptr}, inputs.data(), feeds.data(), feeds.size(), outputs.data(),
                               outputs.size());
    const int64_t ready = *results[1].GetTensorData<int64_t>();
    if (ready > 0) {
      const double* scores = results[0].GetTensorData<double>();
      const auto n = static_cast<int64_t>(results[0].GetTensorTypeAndShapeInfo().GetElementCount());
      std::cout << "sample " << index + hop << ", window length " << ready << ": class "
                << std::max_element(scores, scores + n) - scores << '\n';
    }
    values.clear();
    for (size_t k = 2; k < results.size(); ++k) values.push_back(std::move(results[k]));
    chunk.clear();
    index += hop;
  }
  return 0;
}
