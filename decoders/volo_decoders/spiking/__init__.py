"""A spiking network that decodes movement from spike counts: trained with torch, kept and run as a one-step ONNX graph.

`train` fits it (it needs torch), `export` writes the graph (it needs the package ``onnx``); `stage.SpikingDecoder`
runs it with numpy and onnxruntime alone. Figures and limits are in ``docs/spiking.md``.
"""
