// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMFaithfulness.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Llava/Intervention.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/Faithfulness.h"

#include "vtkCellData.h"
#include "vtkDataArray.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkTable.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>

vtkStandardNewMacro(vtkLVLMFaithfulness);

/// In which order patches are hidden or shown, and whose it is.
struct vtkLVLMFaithfulness::Order
{
  std::string name;
  lvlm::Indices patches;
};

namespace
{
using lvlm::FaithfulnessCurves;
using lvlm::FaithfulnessScores;

/// Of the arrays that are tested, a line each; none on a rank that has no part of the map.
std::string arraysOf(vtkImageData* map, const std::vector<std::string>& wanted)
{
  std::string lines;
  vtkCellData* cells = map->GetCellData();
  for (const std::string& name : wanted)
  {
    lines += cells->GetArray(name.c_str()) ? name + "\n" : "";
  }
  if (const char* shown = cells->GetScalars() ? cells->GetScalars()->GetName() : nullptr;
      wanted.empty() && shown)
  {
    lines = std::string(shown) + "\n";
  }
  return lines;
}

std::vector<std::string> arraysOnRanks(vtkImageData* map, const std::vector<std::string>& wanted,
  const std::string& where, lvlm::ranks::Team& team)
{
  for (const lvlm::ranks::Message& own : team.gather({ arraysOf(map, wanted), {} }))
  {
    std::vector<std::string> names;
    std::istringstream lines(own.head);
    for (std::string line; std::getline(lines, line);)
    {
      names.push_back(line);
    }
    if (!names.empty())
    {
      return names;
    }
  }
  lvlm::fail(where, " has no ",
    wanted.empty() ? std::string("active cell scalars")
                   : "cell array '" + wanted.front() + "' or another of Arrays");
}

/// This rank's part of a map: columns [x, x + cols) and rows [y, y + rows), the lowest first, with
/// their values behind the four numbers. Nothing where there are no cells.
std::vector<double> partOf(vtkImageData* map, const std::string& name, const std::string& where)
{
  vtkDataArray* array = map->GetCellData()->GetArray(name.c_str());
  if (!array || array->GetNumberOfTuples() == 0)
  {
    return {};
  }
  const int* extent = map->GetExtent();
  std::vector<double> part{ static_cast<double>(extent[0]), static_cast<double>(extent[2]),
    static_cast<double>(extent[1] - extent[0]), static_cast<double>(extent[3] - extent[2]) };
  if (array->GetNumberOfComponents() != 1 || extent[4] != extent[5] ||
    static_cast<double>(array->GetNumberOfTuples()) != part[2] * part[3])
  {
    lvlm::fail(where, " is no flat image with one number a cell");
  }
  for (vtkIdType i = 0; i < array->GetNumberOfTuples(); ++i)
  {
    part.push_back(array->GetComponent(i, 0));
  }
  return part;
}

/// The parts of all ranks as one map, row 0 at the top.
std::vector<float> joined(const std::vector<std::vector<double>>& parts,
  const lvlm::PatchGrid& grid, const std::string& where)
{
  double left = std::numeric_limits<double>::max(), right = std::numeric_limits<double>::lowest(),
         low = left, high = right;
  for (const std::vector<double>& part : parts)
  {
    if (!part.empty())
    {
      left = std::min(left, part[0]);
      right = std::max(right, part[0] + part[2]);
      low = std::min(low, part[1]);
      high = std::max(high, part[1] + part[3]);
    }
  }
  if (right - left != static_cast<double>(grid.cols) ||
    high - low != static_cast<double>(grid.rows))
  {
    lvlm::fail(where, " has ", high - low, " x ", right - left, " cells, the trace has ", grid.rows,
      " x ", grid.cols, " patches");
  }
  std::vector<float> values(
    static_cast<std::size_t>(grid.count()), std::numeric_limits<float>::quiet_NaN());
  for (const std::vector<double>& part : parts)
  {
    for (std::size_t i = 4; i < part.size(); ++i)
    {
      const auto cell = static_cast<std::int64_t>(i - 4), cols = static_cast<std::int64_t>(part[2]);
      const std::int64_t x = static_cast<std::int64_t>(part[0] - left) + cell % cols;
      const std::int64_t y = static_cast<std::int64_t>(part[1] - low) + cell / cols;
      values[static_cast<std::size_t>(y * grid.cols + x)] = static_cast<float>(part[i]);
    }
  }
  return lvlm::rowsUp(values, grid); // down, as it is its own inverse
}

/// What stands between commas, without the spaces around it.
std::vector<std::string> listOf(const std::string& text)
{
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');)
  {
    const std::size_t begin = part.find_first_not_of(' ');
    const std::size_t end = part.find_last_not_of(' ');
    parts.push_back(begin == std::string::npos ? "" : part.substr(begin, end + 1 - begin));
  }
  return parts;
}

/// Columns of a table must differ.
std::string freeName(const std::string& wanted, const std::vector<std::string>& taken)
{
  std::string name = wanted;
  for (int number = 2; std::find(taken.begin(), taken.end(), name) != taken.end(); ++number)
  {
    name = wanted + " " + std::to_string(number);
  }
  return name;
}

/// Hidden patches of all variants: the whole picture, then for each order and step between the ends
/// the first patches, and all but these.
std::vector<lvlm::Indices> hiddenPatches(
  const std::vector<lvlm::Indices>& orders, const lvlm::Indices& counts)
{
  std::vector<lvlm::Indices> hidden;
  const auto add = [&hidden](auto begin, auto end)
  {
    hidden.emplace_back(begin, end);
    std::sort(hidden.back().begin(), hidden.back().end());
  };
  lvlm::Indices all(static_cast<std::size_t>(counts.back()));
  std::iota(all.begin(), all.end(), std::int64_t{ 0 });
  add(all.begin(), all.end());
  for (const lvlm::Indices& order : orders)
  {
    for (std::size_t i = 1; i + 1 < counts.size(); ++i)
    {
      add(order.begin(), order.begin() + counts[i]);
      add(order.begin() + counts[i], order.end());
    }
  }
  return hidden;
}

/// The curves of each order, from the scores of hiddenPatches().
std::vector<FaithfulnessCurves> curvesOf(const lvlm::llava::AnswerScores& scores,
  const lvlm::Indices& tokens, std::size_t orders, std::size_t steps)
{
  const double whole = lvlm::meanProbability(scores.original, tokens);
  const double nothing = lvlm::meanProbability(scores.variants.at(0), tokens);
  std::vector<FaithfulnessCurves> curves;
  std::size_t next = 1;
  for (std::size_t order = 0; order < orders; ++order)
  {
    FaithfulnessCurves one{ { whole }, { nothing } };
    for (std::size_t i = 1; i < steps; ++i)
    {
      one.deletion.push_back(lvlm::meanProbability(scores.variants.at(next++), tokens));
      one.insertion.push_back(lvlm::meanProbability(scores.variants.at(next++), tokens));
    }
    one.deletion.push_back(nothing);
    one.insertion.push_back(whole);
    curves.push_back(one);
  }
  return curves;
}

void addCurve(vtkTable* table, const std::string& name, const std::vector<double>& curve)
{
  lvlm::addColumn(table, name, std::vector<float>(curve.begin(), curve.end()));
}

/// Mean of some curves, and a standard deviation below and above it.
void addSpread(vtkTable* table, const std::string& name,
  const std::vector<FaithfulnessCurves>& curves, std::vector<double> FaithfulnessCurves::*member)
{
  std::vector<double> mean, low, high;
  for (std::size_t i = 0; i < (curves.front().*member).size(); ++i)
  {
    std::vector<double> values;
    for (const FaithfulnessCurves& one : curves)
    {
      values.push_back((one.*member)[i]);
    }
    const lvlm::Spread spread = lvlm::spreadOf(values);
    mean.push_back(spread.mean);
    low.push_back(spread.mean - spread.deviation);
    high.push_back(spread.mean + spread.deviation);
  }
  addCurve(table, name, mean);
  addCurve(table, name + " low", low);
  addCurve(table, name + " high", high);
}

struct Score
{
  const char* name;
  double FaithfulnessScores::*member;
};
constexpr Score AllScores[] = { { "deletion", &FaithfulnessScores::deletion },
  { "insertion", &FaithfulnessScores::insertion },
  { "comprehensiveness", &FaithfulnessScores::comprehensiveness },
  { "sufficiency", &FaithfulnessScores::sufficiency } };

/// A row for each named score, then mean and deviation of the others.
void fillScores(
  vtkTable* table, std::vector<std::string> names, const std::vector<FaithfulnessScores>& scores)
{
  const std::size_t maps = names.size();
  const bool random = scores.size() > maps;
  if (random)
  {
    names.insert(names.end(), { "random", "random, standard deviation" });
  }
  lvlm::addColumn(table, "map", names);
  for (const Score& score : AllScores)
  {
    std::vector<double> values;
    for (const FaithfulnessScores& one : scores)
    {
      values.push_back(one.*score.member);
    }
    std::vector<float> column(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(maps));
    if (random)
    {
      const lvlm::Spread spread =
        lvlm::spreadOf({ values.begin() + static_cast<std::ptrdiff_t>(maps), values.end() });
      column.push_back(static_cast<float>(spread.mean));
      column.push_back(static_cast<float>(spread.deviation));
    }
    lvlm::addColumn(table, score.name, column);
  }
}
}

vtkLVLMFaithfulness::vtkLVLMFaithfulness()
{
  this->SetNumberOfInputPorts(2);
  this->SetNumberOfOutputPorts(2);
}

vtkLVLMFaithfulness::~vtkLVLMFaithfulness() = default;

void vtkLVLMFaithfulness::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Arrays: " << this->Arrays.size() << endl;
  os << indent << "Names: " << this->Names << endl;
  os << indent << "Steps: " << this->Steps << endl;
  os << indent << "Random: " << this->Random << endl;
  os << indent << "Seed: " << this->Seed << endl;
}

void vtkLVLMFaithfulness::AddMapConnection(vtkAlgorithmOutput* map)
{
  this->AddInputConnection(1, map);
}

void vtkLVLMFaithfulness::RemoveAllMapConnections()
{
  this->SetInputConnection(1, nullptr);
}

void vtkLVLMFaithfulness::AddArray(const char* name)
{
  this->Arrays.emplace_back(name ? name : "");
  this->Modified();
}

void vtkLVLMFaithfulness::RemoveAllArrays()
{
  this->Arrays.clear();
  this->Modified();
}

int vtkLVLMFaithfulness::FillInputPortInformation(int port, vtkInformation* info)
{
  if (port == 0)
  {
    return this->Superclass::FillInputPortInformation(port, info);
  }
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkImageData");
  info->Set(vtkAlgorithm::INPUT_IS_REPEATABLE(), 1);
  return 1;
}

int vtkLVLMFaithfulness::FillOutputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkTable");
  return 1;
}

/// Of all maps, then the random ones, which have no name.
std::vector<vtkLVLMFaithfulness::Order> vtkLVLMFaithfulness::GetOrders(
  const lvlm::Trace& trace, vtkInformationVector* maps)
{
  std::vector<Order> orders;
  std::vector<std::string> taken{ "random" };
  const std::vector<std::string> names = listOf(this->Names);
  const auto seed = static_cast<std::uint64_t>(static_cast<std::uint32_t>(this->Seed)) << 32;
  for (int i = 0; i < maps->GetNumberOfInformationObjects(); ++i)
  {
    const std::string where = "map " + std::to_string(i + 1);
    auto* map = vtkImageData::GetData(maps, i);
    if (!map)
    {
      lvlm::fail(where, " is no image of patches");
    }
    for (const std::string& own : arraysOnRanks(map, this->Arrays, where, this->GetRanks()))
    {
      const std::string given = orders.size() < names.size() ? names[orders.size()] : std::string();
      const std::string label = where + " ('" + own + "')";
      const std::vector<float> values =
        joined(this->GetRanks().gather(partOf(map, own, label)), trace.grid, label);
      try
      {
        orders.push_back(
          { freeName(given.empty() ? own : given, taken), lvlm::patchOrder(values, seed) });
      }
      catch (const lvlm::Error& error)
      {
        lvlm::fail(label, ": ", error.what());
      }
      taken.push_back(orders.back().name);
    }
  }
  for (int i = 1; i <= this->Random; ++i)
  {
    const auto own = seed + static_cast<std::uint64_t>(i);
    orders.push_back({ "", lvlm::randomOrder(trace.grid.count(), own) });
  }
  return orders;
}

void vtkLVLMFaithfulness::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  const lvlm::Indices tokens = this->GetScoredTokens(trace, outputs);
  const lvlm::Indices counts = lvlm::stepCounts(trace.grid.count(), this->Steps);
  std::vector<lvlm::Indices> orders;
  std::vector<std::string> names;
  for (const Order& order : this->GetOrders(trace, inputs[1]))
  {
    orders.push_back(order.patches);
    if (!order.name.empty())
    {
      names.push_back(order.name);
    }
  }
  std::vector<lvlm::llava::Variant> variants;
  for (lvlm::Indices& patches : hiddenPatches(orders, counts))
  {
    variants.push_back(this->Hiding(std::move(patches)));
  }
  const std::vector<FaithfulnessCurves> curves = curvesOf(
    this->GetScores(data, variants), tokens, orders.size(), static_cast<std::size_t>(this->Steps));
  std::vector<double> fractions;
  for (const std::int64_t count : counts)
  {
    fractions.push_back(static_cast<double>(count) / static_cast<double>(counts.back()));
  }
  auto* table = vtkTable::GetData(outputs, 0);
  addCurve(table, "fraction", fractions);
  std::vector<FaithfulnessScores> scores;
  for (std::size_t i = 0; i < curves.size(); ++i)
  {
    scores.push_back(lvlm::faithfulnessScores(curves[i], fractions));
    if (i < names.size())
    {
      addCurve(table, "deletion " + names[i], curves[i].deletion);
      addCurve(table, "insertion " + names[i], curves[i].insertion);
    }
  }
  if (this->Random > 0)
  {
    const std::vector<FaithfulnessCurves> random(
      curves.begin() + static_cast<std::ptrdiff_t>(names.size()), curves.end());
    addSpread(table, "deletion random", random, &FaithfulnessCurves::deletion);
    addSpread(table, "insertion random", random, &FaithfulnessCurves::insertion);
  }
  fillScores(vtkTable::GetData(outputs, 1), names, scores);
}
