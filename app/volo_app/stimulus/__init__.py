"""The stimulus window, in a process of its own: the only full-screen window, and nothing but the window.

The engine's side is `volo_app.stimulus.client`, without Qt.
"""
