// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMBars.h"

#include "BarGeometry.h"
#include "ShortText.h"

#include "Models/Trace/Words.h"
#include "Readers/vtkLVLMGuard.h"

#include "vtkCellData.h"
#include "vtkDataArray.h"
#include "vtkInformation.h"
#include "vtkIntArray.h"
#include "vtkObjectFactory.h"
#include "vtkPolyData.h"
#include "vtkStringArray.h"
#include "vtkTable.h"

#include <algorithm>
#include <cmath>
#include <string_view>

vtkStandardNewMacro(vtkLVLMBars);

namespace
{
/// The column of that name, or for an empty name the first of type T. Throws when there is none.
template <typename T>
T* columnOf(vtkTable* table, const std::string& name, const char* property, const char* kind)
{
  for (vtkIdType c = 0; name.empty() && c < table->GetNumberOfColumns(); ++c)
  {
    if (auto* column = T::SafeDownCast(table->GetColumn(c)))
    {
      return column;
    }
  }
  T* column = name.empty() ? nullptr : T::SafeDownCast(table->GetColumnByName(name.c_str()));
  if (!column)
  {
    lvlm::fail(
      property, ": the table has no column ", name.empty() ? "" : "'" + name + "' ", "of ", kind);
  }
  return column;
}

template <typename T>
T* optionalColumn(vtkTable* table, const std::string& name, const char* property, const char* kind)
{
  return name.empty() ? nullptr : columnOf<T>(table, name, property, kind);
}

/// Whether a column holds pieces of a tokenizer (`token`, `top1_token`) rather than words.
bool holdsPieces(vtkStringArray* labels)
{
  const std::string name = labels->GetName() ? labels->GetName() : "";
  constexpr std::string_view ending = "token";
  return name.size() >= ending.size() &&
    name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
}

/// A row's words and its details.
std::string labelOf(const std::string& text, const vtkStdString* details)
{
  std::string label = lvlm::oneLine(text);
  label = label.empty() ? "(blank)" : label;
  return details ? label + " (" + *details + ")" : label;
}

/// The note with its columns' first values filled in. Throws when it names one that the table
/// lacks.
std::string noteOf(const std::string& text, vtkTable* table, bool percent)
{
  std::string note;
  std::size_t at = 0;
  for (std::size_t open = text.find('{'); open != std::string::npos; open = text.find('{', at))
  {
    const std::size_t close = text.find('}', open);
    if (close == std::string::npos)
    {
      break;
    }
    const std::string name = text.substr(open + 1, close - open - 1);
    if (name.empty())
    {
      lvlm::fail("Note: {} names no column");
    }
    const double value = columnOf<vtkDataArray>(table, name, "Note", "numbers")->GetComponent(0, 0);
    note += text.substr(at, open - at) + lvlm::textOfValue(value, percent);
    at = close + 1;
  }
  return note + text.substr(at);
}

/// Bars [first, first + room) of the table's order: those around the first highlighted one.
void keepAround(std::vector<lvlm::Bar>& bars, std::size_t room)
{
  if (bars.size() <= room)
  {
    return;
  }
  const auto found = std::find_if(bars.begin(), bars.end(),
    [](const lvlm::Bar& bar) { return bar.look == lvlm::Bar::Look::Highlighted; });
  const auto at = found == bars.end() ? 0 : static_cast<std::size_t>(found - bars.begin());
  const std::size_t first = std::min(at > room / 2 ? at - room / 2 : 0, bars.size() - room);
  bars.erase(bars.begin(), bars.begin() + static_cast<std::ptrdiff_t>(first));
  bars.resize(room);
}

/// What the row of a bar is of goes with its cells, for whoever points at it.
void passPlaces(vtkTable* table, vtkPolyData* bars)
{
  vtkDataArray* rows = bars->GetCellData()->GetArray("row");
  for (const char* name : { "answer_index", "layer", "head" })
  {
    auto* column = vtkDataArray::SafeDownCast(table->GetColumnByName(name));
    if (!column)
    {
      continue;
    }
    vtkNew<vtkIntArray> places;
    places->SetName(name);
    for (vtkIdType cell = 0; cell < rows->GetNumberOfTuples(); ++cell)
    {
      const auto row = static_cast<vtkIdType>(rows->GetComponent(cell, 0));
      places->InsertNextValue(row < 0 ? -1 : static_cast<int>(column->GetComponent(row, 0)));
    }
    bars->GetCellData()->AddArray(places);
  }
}

double largestOf(const std::vector<lvlm::Bar>& bars)
{
  double largest = 0;
  for (const lvlm::Bar& bar : bars)
  {
    largest = std::max(largest, bar.value);
  }
  return largest;
}

/// A text is read in the answer's order, however its table is sorted.
void sortAsAnswered(std::vector<lvlm::Bar>& bars, vtkTable* table)
{
  auto* indices = vtkDataArray::SafeDownCast(table->GetColumnByName("answer_index"));
  if (!indices)
  {
    return;
  }
  std::stable_sort(bars.begin(), bars.end(),
    [indices](const lvlm::Bar& a, const lvlm::Bar& b)
    { return indices->GetComponent(a.row, 0) < indices->GetComponent(b.row, 0); });
}

void keepLargest(std::vector<lvlm::Bar>& bars, std::size_t room)
{
  std::stable_sort(bars.begin(), bars.end(),
    [](const lvlm::Bar& a, const lvlm::Bar& b) { return a.value > b.value; });
  bars.resize(std::min(bars.size(), room));
}
}

void vtkLVLMBars::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Arrangement: " << this->Arrangement << "\n";
  os << indent << "Labels: " << this->Labels << "\n";
  os << indent << "Values: " << this->Values << "\n";
  os << indent << "Details: " << this->Details << "\n";
  os << indent << "Highlight: " << this->Highlight << "\n";
  os << indent << "FirstBar: " << this->FirstBar << "\n";
  os << indent << "FirstLabel: " << this->FirstLabel << "\n";
  os << indent << "Note: " << this->Note << "\n";
  os << indent << "Order: " << this->Order << "\n";
  os << indent << "MaximumBars: " << this->MaximumBars << "\n";
  os << indent << "FullScale: " << this->FullScale << "\n";
  os << indent << "Percent: " << this->Percent << "\n";
}

int vtkLVLMBars::FillInputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkTable");
  return 1;
}

int vtkLVLMBars::RequestData(
  vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  return lvlm::guarded(this, outputs,
    [&]
    {
      vtkTable* table = vtkTable::GetData(inputs[0]);
      if (!table || table->GetNumberOfRows() == 0)
      {
        return; // the filter above says why
      }
      // Of a trace's tokens rather what they say than the tokenizer's pieces, which come first.
      const bool texts = this->Labels.empty() && table->GetColumnByName("text");
      auto* labels =
        columnOf<vtkStringArray>(table, texts ? "text" : this->Labels, "Labels", "words");
      auto* values = columnOf<vtkDataArray>(table, this->Values, "Values", "numbers");
      auto* details = optionalColumn<vtkStringArray>(table, this->Details, "Details", "words");
      auto* highlight =
        optionalColumn<vtkDataArray>(table, this->Highlight, "Highlight", "numbers");
      auto* first = optionalColumn<vtkDataArray>(table, this->FirstBar, "FirstBar", "numbers");
      const bool pieces = holdsPieces(labels);
      std::vector<lvlm::Bar> bars;
      for (vtkIdType row = 0; row < table->GetNumberOfRows(); ++row)
      {
        const double value = values->GetComponent(row, 0);
        if (std::isfinite(value))
        {
          const bool marked = highlight && highlight->GetComponent(row, 0) != 0;
          const vtkStdString* more = details ? &details->GetValue(row) : nullptr;
          const std::string text = labels->GetValue(row);
          bars.push_back(
            { labelOf(pieces ? lvlm::textOfPiece(text) : text, more), value, static_cast<int>(row),
              marked ? lvlm::Bar::Look::Highlighted : lvlm::Bar::Look::Plain });
        }
      }
      if (this->Arrangement == TEXT)
      {
        sortAsAnswered(bars, table);
        lvlm::drawWords(bars,
          { this->MaximumBars, this->FullScale > 0 ? this->FullScale : largestOf(bars),
            this->Percent, "", lvlm::inkOf(this->TextColor, this->BackgroundColor) },
          vtkPolyData::GetData(outputs));
        passPlaces(table, vtkPolyData::GetData(outputs));
        return;
      }
      const auto room = static_cast<std::size_t>(std::max(0, this->MaximumBars - (first ? 1 : 0)));
      this->Order == DESCENDING ? keepLargest(bars, room) : keepAround(bars, room);
      if (first)
      {
        bars.insert(bars.begin(),
          { this->FirstLabel, first->GetComponent(0, 0), -1, lvlm::Bar::Look::First });
      }
      lvlm::drawBars(bars,
        { this->MaximumBars, this->FullScale > 0 ? this->FullScale : largestOf(bars), this->Percent,
          noteOf(this->Note, table, this->Percent),
          lvlm::inkOf(this->TextColor, this->BackgroundColor) },
        vtkPolyData::GetData(outputs));
      passPlaces(table, vtkPolyData::GetData(outputs));
    });
}
