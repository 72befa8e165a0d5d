// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMActions.h"

#include "pqActiveObjects.h"
#include "pqApplicationCore.h"
#include "pqCoreUtilities.h"
#include "pqLVLMAskDialog.h"
#include "pqLVLMEditor.h"
#include "pqLVLMPython.h"
#include "pqLVLMSession.h"
#include "pqPipelineSource.h"
#include "pqSelectionManager.h"
#include "pqServerManagerModel.h"

#include <QAction>
#include <QTimer>

#include <algorithm>

namespace
{
/// The arguments that say which trace is meant, as far as the call would not find it by itself.
QStringList traceArgument(pqPipelineSource* trace)
{
  return lvlm::traces().size() > 1 ? QStringList{ lvlm::pythonString(trace->getSMName()) }
                                   : QStringList();
}
}

pqLVLMActions* pqLVLMActions::instance()
{
  static QPointer<pqLVLMActions> actions;
  if (!actions)
  {
    actions = new pqLVLMActions;
  }
  return actions;
}

pqLVLMActions::pqLVLMActions() : Superclass(pqApplicationCore::instance()), Pause(new QTimer(this))
{
  this->addCommand(
    "Ask", tr("Ask..."),
    tr("Ask a LLaVA model about a picture, and see where it looked while it answered"),
    []() { return pqActiveObjects::instance().activeServer() != nullptr; },
    [this]()
    {
      if (!this->Dialog)
      {
        this->Dialog = new pqLVLMAskDialog(pqCoreUtilities::mainWidget());
      }
      this->Dialog->ask();
    });
  this->addEdit();
  this->addPreset("Attention", tr("Attention"),
    tr("Attention: where in the picture the model looked when it wrote a word of the answer"),
    "show_attention");
  this->addPreset("Heads", tr("Heads"),
    tr("Heads: which attention heads of which layers look at the picture, and which at the "
       "question"),
    "show_heads");
  this->addPreset("Gallery", tr("Heads gallery"),
    tr("Heads gallery: the maps of all attention heads side by side, on one scale"),
    "show_gallery");
  this->addPreset("Words", tr("Words"),
    tr("Words: the relevancy maps of all words of the answer side by side, on one scale"),
    "show_words");
  this->Commands.last().Action->setProperty("menuOnly", true); // the toolbar has to fit
  this->addPreset("Matrix", tr("Matrix"),
    tr("Matrix: how much each token of the answer looks at each token before it, and at the "
       "picture"),
    "show_matrix");
  this->Commands.last().Action->setProperty("menuOnly", true);
  this->addPreset("Layers", tr("Layers 3D"),
    tr("Layers 3D: the attention maps of all layers, stacked from the first to the last"),
    "show_layers");
  this->addPreset("Lens", tr("Lens"),
    tr("Lens: which word each patch of the picture says, layer by layer (logit lens)"),
    "show_lens");
  this->addPreset("Relevancy", tr("Relevancy"),
    tr("Relevancy: which parts of the picture and which words of the question made a word of the "
       "answer"),
    "show_relevancy");
  this->addPreset("Causality", tr("Causality"),
    tr("Causality: a graph of the tokens that explain a word of the answer, and how they depend on "
       "each other"),
    "show_causality", "attention.full");
  this->addPreset("NodeTest", tr("Node test"),
    tr("Node test: the tokens that a causal graph explains a word by are hidden from "
       "the model, and as many random ones; does the answer depend more on the former?"),
    "test_causality", "attention.full");
  this->addPreset("Test", tr("Test"),
    tr(
      "Test: whether the maps of the trace name what the answer depends on; the picture is hidden, "
      "and shown, in their order and in random ones"),
    "test");
  this->addPreset("Intervene", tr("Intervene"),
    tr("Intervene: attention to the picture and the question, or to patches that are selected on a "
       "map, is cut; how the answer's probability changes, layer by layer, and what the model "
       "answers "
       "instead"),
    "knock_out");
  this->addComparison();
  this->addHover();
  this->addWithoutSelection();

  this->Pause->setSingleShot(true);
  this->Pause->setInterval(0);
  QObject::connect(this->Pause, &QTimer::timeout, this, &pqLVLMActions::updateState);
  this->watch();
  this->updateState();
}

pqLVLMActions::~pqLVLMActions() = default;

QList<QAction*> pqLVLMActions::actions() const
{
  QList<QAction*> actions;
  for (const Command& command : this->Commands)
  {
    actions << command.Action;
  }
  return actions;
}

void pqLVLMActions::addCommand(const char* name, const QString& text, const QString& help,
  const std::function<bool()>& canWork, const std::function<void()>& run)
{
  auto* action =
    new QAction(QIcon(QStringLiteral(":/lvlm/%1.svg").arg(QString(name).toLower())), text, this);
  action->setObjectName(QStringLiteral("actionLVLM%1").arg(name));
  action->setToolTip(help);
  action->setStatusTip(help);
  QObject::connect(action, &QAction::triggered, this, run);
  this->Commands.append({ action, canWork });
}

void pqLVLMActions::addPreset(const char* name, const QString& text, const QString& help,
  const char* function, const char* block)
{
  this->addCommand(
    name, text, help,
    [block]()
    {
      pqPipelineSource* trace = lvlm::currentTrace();
      return trace && (!block || lvlm::mayHaveBlock(trace, block));
    },
    [text, function]()
    {
      pqPipelineSource* trace = lvlm::currentTrace();
      if (!trace)
      {
        return;
      }
      QStringList arguments = traceArgument(trace);
      const int token = lvlm::currentToken();
      if (token >= 0)
      {
        arguments << QStringLiteral("token=%1").arg(token);
      }
      lvlm::runPython(text, lvlm::pythonCall(function, arguments));
    });
}

void pqLVLMActions::addEdit()
{
  this->addCommand(
    "Edit", tr("Edit..."),
    tr("Edit the picture, cover or crop it, and ask again: what if this were not there? Both "
       "answers come side by side"),
    []() { return lvlm::currentTrace() != nullptr; },
    [this]()
    {
      if (!this->Editor)
      {
        this->Editor = new pqLVLMEditor(pqCoreUtilities::mainWidget());
      }
      if (pqPipelineSource* trace = lvlm::currentTrace())
      {
        this->Editor->edit(trace);
      }
    });
}

void pqLVLMActions::addComparison()
{
  this->addCommand(
    "Compare", tr("Compare"),
    tr("Compare: two answers side by side in the same colors, and their difference. Select two "
       "traces, or compare the "
       "two newest."),
    []() { return lvlm::traces().size() > 1; },
    []()
    {
      QStringList names;
      const QList<pqPipelineSource*> traces = lvlm::traces();
      for (pqServerManagerModelItem* item : pqActiveObjects::instance().selection())
      {
        pqPipelineSource* trace = lvlm::traceOf(qobject_cast<pqPipelineSource*>(item));
        if (trace && !names.contains(lvlm::pythonString(trace->getSMName())))
        {
          names << lvlm::pythonString(trace->getSMName());
        }
      }
      if (names.size() != 2)
      {
        names = QStringList{ lvlm::pythonString(traces[traces.size() - 2]->getSMName()),
          lvlm::pythonString(traces.last()->getSMName()) };
      }
      lvlm::runPython(tr("Compare"), lvlm::pythonCall("compare", names));
    });
}

void pqLVLMActions::addHover()
{
  this->addCommand(
    "Hover", tr("Hover"),
    tr("Hover: while this is down, what is under a mouse that rests tells its place and its "
       "numbers"),
    []() { return true; }, []() {});
  QAction* action = this->Commands.last().Action;
  action->setCheckable(true);
  action->setChecked(true);
}

void pqLVLMActions::addWithoutSelection()
{
  this->addCommand(
    "Without", tr("Ask without selection"),
    tr("Ask the same question about the picture without the selected patches: they are painted "
       "over with the mean "
       "color. Select cells of a map first."),
    []() { return lvlm::selectedMap() != nullptr; },
    []()
    {
      pqOutputPort* map = lvlm::selectedMap();
      pqPipelineSource* trace = map ? lvlm::traceOf(map->getSource()) : nullptr;
      if (trace)
      {
        lvlm::runPython(
          tr("Ask without selection"), lvlm::pythonCall("ask_without", traceArgument(trace)));
      }
    });
}

void pqLVLMActions::watch()
{
  pqServerManagerModel* model = pqApplicationCore::instance()->getServerManagerModel();
  const auto soon = [this]() { this->updateSoon(); };
  QObject::connect(model, &pqServerManagerModel::sourceAdded, this, soon);
  QObject::connect(model, &pqServerManagerModel::sourceRemoved, this, soon);
  QObject::connect(model, &pqServerManagerModel::dataUpdated, this, soon);
  QObject::connect(model, &pqServerManagerModel::serverAdded, this, soon);
  QObject::connect(model, &pqServerManagerModel::serverRemoved, this, soon);
  pqActiveObjects& active = pqActiveObjects::instance();
  QObject::connect(&active, SIGNAL(sourceChanged(pqPipelineSource*)), this, SLOT(updateSoon()));
  QObject::connect(&active, SIGNAL(serverChanged(pqServer*)), this, SLOT(updateSoon()));
  QObject::connect(&active, SIGNAL(viewChanged(pqView*)), this, SLOT(updateSoon()));
  if (pqSelectionManager* selection = lvlm::selectionManager())
  {
    QObject::connect(selection, SIGNAL(selectionChanged(pqOutputPort*)), this, SLOT(updateSoon()));
  }
}

void pqLVLMActions::updateSoon()
{
  this->Pause->start();
}

void pqLVLMActions::updateState()
{
  for (const Command& command : this->Commands)
  {
    command.Action->setEnabled(command.CanWork());
  }
}
