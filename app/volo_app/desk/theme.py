"""The look of the desk: calm, large, dark or light by palette."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

__all__ = ["DARK", "LIGHT", "Theme", "apply_theme"]


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours, as ``#rrggbb``."""

    window: str
    card: str
    field: str
    border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    trouble: str
    trouble_field: str
    trace: str


DARK = Theme(
    window="#1b1f24",
    card="#242a31",
    field="#1b1f24",
    border="#3a424c",
    text="#e8ebee",
    muted="#a3adb8",
    accent="#5cb3ff",
    on_accent="#0b1724",
    trouble="#ffb4a8",
    trouble_field="#4a2320",
    trace="#8ecbff",
)
LIGHT = Theme(
    window="#f3f5f7",
    card="#ffffff",
    field="#ffffff",
    border="#cdd4db",
    text="#1b2127",
    muted="#56616c",
    accent="#0b62b8",
    on_accent="#ffffff",
    trouble="#8c1d10",
    trouble_field="#fde5e1",
    trace="#0b62b8",
)


def apply_theme(app: QApplication, name: str) -> Theme:
    """Give the application its look and return its colours.

    Parameters
    ----------
    app : QApplication
        The application.
    name : str
        ``"dark"``, ``"light"`` or ``"auto"``, which follows the system.
    """
    app.setStyle("Fusion")
    is_dark = name == "dark" or (name == "auto" and app.styleHints().colorScheme() == Qt.ColorScheme.Dark)
    theme = DARK if is_dark else LIGHT
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: theme.window,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.Base: theme.field,
        QPalette.ColorRole.AlternateBase: theme.card,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.PlaceholderText: theme.muted,
        QPalette.ColorRole.Button: theme.card,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.Highlight: theme.accent,
        QPalette.ColorRole.HighlightedText: theme.on_accent,
        QPalette.ColorRole.ToolTipBase: theme.card,
        QPalette.ColorRole.ToolTipText: theme.text,
    }
    for role, color in roles.items():
        palette.setColor(role, QColor(color))
    for role in (QPalette.ColorRole.ButtonText, QPalette.ColorRole.Text, QPalette.ColorRole.WindowText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.muted))
    app.setPalette(palette)
    font = app.font()
    font.setPointSizeF(12.0)
    app.setFont(font)
    app.setStyleSheet(_sheet(theme))
    return theme


def _sheet(t: Theme) -> str:
    return f"""
    QFrame#card {{ background: {t.card}; border: 1px solid {t.border}; border-radius: 8px; }}
    QLabel {{ background: transparent; }}
    QLabel#title {{ font-size: 20pt; font-weight: 600; }}
    QLabel#heading {{ font-weight: 600; }}
    QLabel#muted {{ color: {t.muted}; }}
    QLabel#text {{ font-size: 20pt; font-weight: 600; }}
    QLabel#key {{ font-size: 24pt; font-weight: 700; color: {t.accent}; }}
    QLabel#trouble {{ color: {t.trouble}; font-weight: 600; }}
    QLabel#error {{ background: {t.trouble_field}; color: {t.trouble}; border-radius: 8px; padding: 10px;
        font-weight: 600; }}
    QLineEdit, QComboBox, QPlainTextEdit {{ background: {t.field}; color: {t.text};
        border: 1px solid {t.border}; border-radius: 6px; padding: 6px; }}
    QLineEdit:focus, QComboBox:focus, QPlainTextEdit:focus {{ border: 2px solid {t.accent}; padding: 5px; }}
    QComboBox QAbstractItemView {{ background: {t.field}; color: {t.text}; }}
    QSpinBox {{ min-height: 30px; }}
    QCheckBox::indicator {{ width: 16px; height: 16px; border: 2px solid {t.muted}; border-radius: 4px;
        background: {t.field}; }}
    QCheckBox::indicator:checked {{ border: 2px solid {t.accent}; background: {t.accent}; }}
    QCheckBox:focus {{ color: {t.accent}; }}
    QPushButton {{ background: {t.card}; color: {t.text}; border: 1px solid {t.border}; border-radius: 6px;
        padding: 9px 16px; }}
    QPushButton:hover:enabled {{ border-color: {t.accent}; }}
    QPushButton:focus {{ border: 2px solid {t.accent}; padding: 8px 15px; }}
    QPushButton#main:enabled {{ background: {t.accent}; color: {t.on_accent}; border-color: {t.accent};
        font-weight: 600; }}
    QPushButton#stop:enabled {{ background: {t.trouble_field}; color: {t.trouble}; border-color: {t.trouble};
        font-weight: 700; }}
    QPushButton:disabled {{ color: {t.muted}; }}
    QProgressBar {{ background: {t.field}; border: 1px solid {t.border}; border-radius: 5px; max-height: 10px; }}
    QProgressBar::chunk {{ background: {t.accent}; border-radius: 4px; }}
    """
