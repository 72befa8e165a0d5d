// SPDX-License-Identifier: Apache-2.0
/// @file pqLVLMPython.h
/// Calls of the Python module lvlm: everything that a click does, a script can do.
#ifndef pqLVLMPython_h
#define pqLVLMPython_h

#include <QString>
#include <QStringList>

namespace lvlm
{

/// A Python string literal.
QString pythonString(const QString& text);

/// A call of a function of the module, as text: arguments are literals or "name=literal".
QString pythonCall(const QString& function, const QStringList& arguments);

/// Runs such a call as one undo set named `label`; when a Python trace is recorded it gets this one
/// line. An error is shown in a message and in the output messages. Returns whether all went well.
bool runPython(const QString& label, const QString& call);

/// What an expression of the modules lvlm and lvlm.touch gives, as text; empty where it fails.
/// Nothing to undo, and no line of a trace.
QString askPython(const QString& expression);

/// Runs Python that does not count: it can neither be undone, nor is it traced. Returns whether all
/// went well.
bool runPythonQuietly(const QString& code);

} // namespace lvlm

#endif
