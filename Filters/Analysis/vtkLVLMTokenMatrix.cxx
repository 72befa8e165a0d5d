// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMTokenMatrix.h"

#include "Filters/Common/HeadTexts.h"
#include "Filters/Common/OutputVTK.h"
#include "Filters/Drawing/LabelShapes.h"
#include "Filters/Drawing/ShortText.h"
#include "Models/Trace/Regions.h"
#include "Models/Trace/TokenMatrix.h"

#include "vtkCellArray.h"
#include "vtkCellData.h"
#include "vtkFloatArray.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkIntArray.h"
#include "vtkNew.h"
#include "vtkObjectFactory.h"
#include "vtkPoints.h"
#include "vtkPolyData.h"
#include "vtkTable.h"

#include <array>
#include <cmath>

vtkStandardNewMacro(vtkLVLMTokenMatrix);

namespace
{
constexpr double Capital = 0.4;     // height of a capital letter; a square is 1
constexpr double Gap = 0.25;        // between words and squares
constexpr double Room = 5;          // for the words
constexpr std::size_t Longest = 20; // characters

/// A pair that attention knows.
struct Pair
{
  std::size_t row, column;
  float attention;
};

std::vector<Pair> pairsOf(const lvlm::MatrixLines& lines, const std::vector<float>& matrix)
{
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < matrix.size(); ++i)
  {
    if (!std::isnan(matrix[i]))
    {
      pairs.push_back({ i / lines.columns.size(), i % lines.columns.size(), matrix[i] });
    }
  }
  return pairs;
}

void addSquares(vtkPolyData* output, const lvlm::Trace& trace, const lvlm::MatrixLines& lines,
  const std::vector<Pair>& pairs)
{
  vtkNew<vtkPoints> points;
  vtkNew<vtkCellArray> cells;
  vtkNew<vtkFloatArray> attention;
  attention->SetName("attention");
  std::array<vtkNew<vtkIntArray>, 4> places;
  constexpr const char* Names[] = { "answer_index", "position", "row", "column" };
  for (const Pair& pair : pairs)
  {
    const auto x = static_cast<double>(pair.column), y = -static_cast<double>(pair.row);
    const std::array<vtkIdType, 4> ids{ points->InsertNextPoint(x, y - 1, 0),
      points->InsertNextPoint(x + 1, y - 1, 0), points->InsertNextPoint(x + 1, y, 0),
      points->InsertNextPoint(x, y, 0) };
    cells->InsertNextCell(4, ids.data());
    attention->InsertNextValue(pair.attention);
    const std::int64_t numbers[] = { lines.rows[pair.row].positions.front() - trace.promptLength,
      lines.columns[pair.column].positions.front(), static_cast<std::int64_t>(pair.row),
      static_cast<std::int64_t>(pair.column) };
    for (std::size_t i = 0; i < places.size(); ++i)
    {
      places[i]->InsertNextValue(static_cast<int>(numbers[i]));
    }
  }
  output->SetPoints(points);
  output->SetPolys(cells);
  output->GetCellData()->SetScalars(attention);
  for (std::size_t i = 0; i < places.size(); ++i)
  {
    places[i]->SetName(Names[i]);
    output->GetCellData()->AddArray(places[i]);
  }
}

void fillTable(vtkTable* table, const lvlm::Trace& trace, const lvlm::MatrixLines& lines,
  const std::vector<Pair>& pairs)
{
  std::vector<std::int64_t> tokens, positions;
  std::vector<std::string> texts, sources, roles;
  std::vector<float> values;
  for (const Pair& pair : pairs)
  {
    const lvlm::MatrixLine &row = lines.rows[pair.row], &column = lines.columns[pair.column];
    tokens.push_back(row.positions.front() - trace.promptLength);
    texts.push_back(row.text);
    positions.push_back(column.positions.front());
    sources.push_back(column.text);
    roles.emplace_back(lvlm::nameOf(column.role));
    values.push_back(pair.attention);
  }
  lvlm::addColumn(table, "answer_index", tokens);
  lvlm::addColumn(table, "token", texts);
  lvlm::addColumn(table, "position", positions);
  lvlm::addColumn(table, "source", sources);
  lvlm::addColumn(table, "role", roles);
  lvlm::addColumn(table, "attention", values);
}

std::string labelOf(const std::string& text)
{
  const std::string line = lvlm::shortened(lvlm::oneLine(text), Longest);
  return line.empty() ? "(blank)" : line;
}

/// Beside the rows, and reading upwards above the columns.
void addLabels(vtkPolyData* output, const lvlm::MatrixLines& lines, const lvlm::Ink& ink)
{
  std::vector<lvlm::Label> labels;
  for (std::size_t row = 0; row < lines.rows.size(); ++row)
  {
    labels.push_back({ labelOf(lines.rows[row].text), -Gap, -static_cast<double>(row) - 0.5,
      Capital, Room, 0, true });
  }
  for (std::size_t column = 0; column < lines.columns.size(); ++column)
  {
    labels.push_back({ labelOf(lines.columns[column].text), static_cast<double>(column) + 0.5, Gap,
      Capital, Room, 0, false, true });
  }
  lvlm::fillLabels(output, labels, ink);
}
}

vtkLVLMTokenMatrix::vtkLVLMTokenMatrix()
{
  this->SetNumberOfOutputPorts(3);
}

void vtkLVLMTokenMatrix::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "JoinWords: " << this->JoinWords << "\n";
}

int vtkLVLMTokenMatrix::FillOutputPortInformation(int port, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), port == 1 ? "vtkTable" : "vtkPolyData");
  return 1;
}

void vtkLVLMTokenMatrix::Compute(
  const lvlm::Trace& trace, vtkDataObject*, vtkInformationVector**, vtkInformationVector* outputs)
{
  const lvlm::MatrixLines lines = lvlm::matrixLines(trace, this->AnswerTokens, this->JoinWords);
  if (this->ExcludeSinks)
  {
    lvlm::fail("ExcludeSinks: LVLM Token Matrix shows the picture as one, without patches");
  }
  const lvlm::Selection selection =
    this->Select(trace, this->AnswerTokens, this->Layers, BEST_OF_ALL);
  const lvlm::LayerParts all = this->JoinLayers(
    lvlm::groupSums(trace, lvlm::columnGroups(lines), selection, this->GetRankProgress()));
  const std::vector<Pair> pairs = pairsOf(lines, lvlm::matrixOf(trace, lines, all));
  auto* output = vtkPolyData::GetData(outputs, 0);
  addSquares(output, trace, lines, pairs);
  fillTable(vtkTable::GetData(outputs, 1), trace, lines, pairs);
  addLabels(
    vtkPolyData::GetData(outputs, 2), lines, lvlm::inkOf(this->TextColor, this->BackgroundColor));
  this->TellTokens(trace, this->AnswerTokens, outputs);
  this->TellHeads(selection, outputs);
  const auto places = lvlm::placesOf(
    selection, trace.layerTotal, trace.tensor(lvlm::tensor_name::AttentionAnswer).extent(1));
  lvlm::addText(output, "heads", lvlm::headsText(places, "mean", this->GetBestText(places.size())));
  lvlm::addLegend(output,
    std::string("Attention to a ") + (this->JoinWords ? "word" : "token") +
      (lvlm::pictureCount(trace) > 1 ? ", or to all pictures" : ", or to the whole picture"),
    "attention");
}
