// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMCausalGraph.h"

#include "CausalTables.h"

#include "Filters/Common/OutputVTK.h"
#include "Filters/Drawing/CausalGraphGeometry.h"
#include "Filters/Drawing/CausalGraphLayout.h"
#include "Models/Causal/ExplanationBytes.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/Analysis.h"
#include "Models/Trace/Regions.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"

#include "vtkCell.h"
#include "vtkCellData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkIntArray.h"
#include "vtkNew.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkPolyData.h"
#include "vtkTable.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif

vtkStandardNewMacro(vtkLVLMCausalGraph);

namespace
{
namespace tn = lvlm::tensor_name;

enum Port
{
  GRAPH,
  NODES,
  EDGES,
  WEIGHTS,
  HEADS,
  PORTS
};

int usableCores()
{
#ifdef __linux__
  // The hardware's number ignores taskset, batch systems and mpirun's binding.
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
  {
    return CPU_COUNT(&set);
  }
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

/// The layer of the model that the property means, one of those that were recorded completely.
std::int64_t recordedLayer(const lvlm::Trace& trace, std::int64_t layer)
{
  const lvlm::Tensor& recorded = trace.tensor(tn::AttentionFullLayers); // [Lf]
  const auto* layers = recorded.as<std::int64_t>();
  lvlm::Indices sorted(layers, layers + recorded.count());
  std::sort(sorted.begin(), sorted.end());
  const auto count = static_cast<std::int64_t>(sorted.size());
  if (layer < 0 && layer >= -count)
  {
    layer = sorted[static_cast<std::size_t>(layer + count)];
  }
  if (layer < 0 || std::find(sorted.begin(), sorted.end(), layer) == sorted.end())
  {
    std::string list;
    for (const std::int64_t one : sorted)
    {
      list += (list.empty() ? "" : ", ") + std::to_string(one);
    }
    lvlm::fail("Layer: the trace has no complete attention of layer ", layer,
      "; recorded: ", list.empty() ? "none" : list);
  }
  return layer;
}

/// Slab of `attention.full` that holds a layer, -1 where another rank has it.
std::int64_t slabOf(const lvlm::Trace& trace, std::int64_t layer)
{
  const std::vector<std::int64_t> held = trace.fullLayers();
  const auto found = std::find(held.begin(), held.end(), layer);
  return found == held.end() ? -1 : found - held.begin();
}

/// Of the heads that are drawn: ", head 2".
std::string headsText(const lvlm::HeadExplanations& heads, bool all)
{
  return heads.size() > 1 && all
    ? ", " + std::to_string(heads.size()) + " heads together"
    : ", head " + std::to_string(heads[lvlm::mostImportantHead(heads)].head);
}

/// Of the heads whose weights are summed: ", head 2", ", sum over 4 heads".
std::string weightsText(const lvlm::HeadExplanations& heads)
{
  return heads.size() == 1 ? ", head " + std::to_string(heads.front().head)
                           : ", sum over " + std::to_string(heads.size()) + " heads";
}

/// Heads are ranked by one tensor and looked up in the other.
void requireSameHeads(const lvlm::Trace& trace)
{
  const std::int64_t answer = trace.tensor(tn::AttentionAnswer).extent(1);
  const std::int64_t full = trace.tensor(tn::AttentionFull).extent(1);
  if (answer != full)
  {
    lvlm::fail("BestHeads: tensor '", tn::AttentionAnswer, "' has ", answer, " heads, '",
      tn::AttentionFull, "' has ", full);
  }
}

/// ", from the 4 heads which localize best", or nothing.
std::string bestText(std::size_t heads, const std::string& best)
{
  return best.empty() ? "" : ", from the " + std::to_string(heads) + " heads " + best;
}

/// What the drawn graph comes to.
std::string explanationText(const lvlm::GraphDrawing& graph)
{
  const auto count = std::count_if(graph.nodes.begin(), graph.nodes.end(),
    [](const lvlm::GraphNode& node) { return node.radius > 0; });
  return count == 0
    ? "No explanation: nothing that it attends is linked to it"
    : std::to_string(count) + (count == 1 ? " token explains it" : " tokens explain it");
}

/// The complete attention of some heads of a layer: the trace's own memory when it is float32.
class LayerAttention
{
public:
  LayerAttention(const lvlm::Trace& trace, std::int64_t slab, const lvlm::Indices& heads,
    const lvlm::Progress& progress)
  {
    const lvlm::Tensor& full = trace.tensor(tn::AttentionFull); // [Lf, Hd, K, K]
    const std::int64_t K = trace.keys();
    const std::int64_t first = slab * full.extent(1) * K * K;
    if (K > INT_MAX || full.extent(1) > INT_MAX)
    {
      lvlm::fail("a causal graph of ", full.extent(1), " heads and ", K, " positions");
    }
    if (full.dtype == lvlm::DType::F32)
    {
      this->View = lvlm::causal::AttentionView::dense(
        full.as<float>() + first, static_cast<int>(full.extent(1)), static_cast<int>(K));
      this->Heads.assign(heads.begin(), heads.end());
      return;
    }
    this->Copy.resize(heads.size() * static_cast<std::size_t>(K * K));
    for (std::size_t h = 0; h < heads.size(); ++h)
    {
      lvlm::report(progress, 0.0, "Reading attention");
      full.toFloat(
        first + heads[h] * K * K, K * K, this->Copy.data() + h * static_cast<std::size_t>(K * K));
      this->Heads.push_back(static_cast<int>(h));
    }
    this->View = lvlm::causal::AttentionView::dense(
      this->Copy.data(), static_cast<int>(heads.size()), static_cast<int>(K));
  }

  lvlm::causal::AttentionView View;
  std::vector<int> Heads; ///< the chosen heads in the view

private:
  std::vector<float> Copy;
};

void addWeights(const std::vector<float>& weights, const lvlm::Trace& trace, vtkDataObject* data,
  const lvlm::ImageGeometry& grid, vtkImageData* output)
{
  lvlm::shapeImage(output, grid);
  output->GetCellData()->SetScalars(lvlm::arrayFromTensor(
    lvlm::Tensor::of(lvlm::rowsUp(weights, trace.grid), { trace.grid.count() }), "weight"));
  lvlm::addPatchIndices(output, trace.grid);
  lvlm::addPicture(output, data, lvlm::mapGrid(trace).image);
}

/// Cell arrays `patch` and `answer_index` of the discs and words, -1 where it is none, for whoever
/// points at them. The target stands for the token that it predicts.
void addPlaces(vtkPolyData* graph, const lvlm::Trace& trace)
{
  vtkNew<vtkIntArray> patches, tokens;
  patches->SetName("patch");
  tokens->SetName("answer_index");
  vtkDataArray* kinds = graph->GetCellData()->GetArray("kind");
  vtkDataArray* positions = graph->GetPointData()->GetArray("position");
  vtkDataArray* targets = graph->GetPointData()->GetArray("is_target");
  for (vtkIdType cell = 0; cell < graph->GetNumberOfCells(); ++cell)
  {
    const auto kind = static_cast<lvlm::GraphKind>(static_cast<int>(kinds->GetComponent(cell, 0)));
    std::int64_t patch = -1, token = -1;
    if (kind != lvlm::GraphKind::Edge && kind != lvlm::GraphKind::EndMark)
    {
      const vtkIdType point = graph->GetCell(cell)->GetPointId(0);
      const auto position = static_cast<std::int64_t>(positions->GetComponent(point, 0));
      const bool target = targets->GetComponent(point, 0) != 0;
      patch = target ? -1 : lvlm::patchAtPosition(trace, position);
      token = std::max<std::int64_t>(-1, position + (target ? 1 : 0) - trace.promptLength);
    }
    patches->InsertNextValue(static_cast<int>(patch));
    tokens->InsertNextValue(static_cast<int>(token));
  }
  graph->GetCellData()->AddArray(patches);
  graph->GetCellData()->AddArray(tokens);
}

template <typename T>
void checkRange(const char* name, T value, T low, T high)
{
  if (!(value >= low && value <= high)) // so that NaN fails, too
  {
    lvlm::fail(name, ": ", value, " is out of range [", low, ", ", high, "]");
  }
}
}

vtkLVLMCausalGraph::vtkLVLMCausalGraph()
{
  this->AnswerTokens = { 0 };
  this->SetNumberOfOutputPorts(PORTS);
}

void vtkLVLMCausalGraph::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "AnswerToken: " << this->GetAnswerToken() << endl;
  os << indent << "Layer: " << this->Layer << endl;
  os << indent << "AttentionThreshold: " << this->AttentionThreshold << endl;
  os << indent << "Alpha: " << this->Alpha << endl;
  os << indent << "Samples: " << this->Samples << endl;
  os << indent << "Range: " << this->Range << endl;
  os << indent << "MaximumNodes: " << this->MaximumNodes << endl;
  os << indent << "Threads: " << this->Threads << endl;
  os << indent << "Drawing: " << this->Drawing << endl;
  os << indent << "MinimumHeads: " << this->MinimumHeads << endl;
  os << indent << "Nodes: " << this->Nodes << endl;
}

void vtkLVLMCausalGraph::SetAnswerToken(int token)
{
  if (token != this->GetAnswerToken())
  {
    this->AnswerTokens = { token };
    this->Modified();
  }
}

int vtkLVLMCausalGraph::GetAnswerToken() const
{
  return static_cast<int>(this->AnswerTokens.front());
}

int vtkLVLMCausalGraph::FillOutputPortInformation(int port, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(),
    port == GRAPH       ? "vtkPolyData"
      : port == WEIGHTS ? "vtkImageData"
                        : "vtkTable");
  return 1;
}

void vtkLVLMCausalGraph::Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs)
{
  lvlm::announceImage(outputs->GetInformationObject(WEIGHTS), lvlm::gridCells(shape));
}

void vtkLVLMCausalGraph::CheckSettings() const
{
  checkRange("AttentionThreshold", this->AttentionThreshold, 0.0, 1.0);
  checkRange("Alpha", this->Alpha, 0.0, 1.0);
  checkRange("Samples", this->Samples, 1, INT_MAX);
  checkRange("Range", this->Range, 0, INT_MAX);
  checkRange("MaximumNodes", this->MaximumNodes, 1, lvlm::causal::NodeSet::Capacity - 1);
  checkRange("MinimumHeads", this->MinimumHeads, 1, INT_MAX);
  checkRange("Threads", this->Threads, 0, 1024);
}

namespace
{
lvlm::causal::TokenLayout layoutOf(const lvlm::Trace& trace, std::int64_t token)
{
  const lvlm::ImageMap image(trace);
  lvlm::causal::TokenLayout layout;
  layout.imageStart = static_cast<int>(image.first());
  layout.imageCount = static_cast<int>(image.count());
  layout.promptLength = static_cast<int>(trace.promptLength);
  layout.answerToken = static_cast<int>(token);
  for (int p = layout.imageStart; p < layout.imageStart + layout.imageCount; ++p)
  {
    if (!lvlm::isPatch(trace, p))
    {
      layout.notPatches.push_back(p);
    }
  }
  return layout;
}
}

lvlm::HeadExplanations vtkLVLMCausalGraph::Explain(const lvlm::Trace& trace, std::int64_t slab,
  const std::vector<std::int64_t>& heads, std::int64_t token)
{
  const lvlm::Progress progress = this->GetRankProgress();
  const LayerAttention attention(trace, slab, heads, progress);
  const lvlm::causal::TokenLayout layout = layoutOf(trace, token);
  lvlm::causal::ExplanationOptions options;
  options.attentionThreshold = this->AttentionThreshold;
  options.alpha = this->Alpha;
  options.samples = this->Samples;
  options.range = this->Range;
  options.maximumNodes = this->MaximumNodes;
  options.threads = this->Threads > 0 ? this->Threads : usableCores();
  lvlm::HeadExplanations explained =
    lvlm::causal::explain(attention.View, layout, attention.Heads, options, progress);
  for (std::size_t i = 0; i < explained.size(); ++i)
  {
    explained[i].head = static_cast<int>(heads[i]);
  }
  return explained;
}

lvlm::HeadExplanations vtkLVLMCausalGraph::ExplainOnRanks(const lvlm::Trace& trace,
  std::int64_t layer, const std::vector<std::int64_t>& heads, std::int64_t token)
{
  lvlm::ranks::Team& ranks = this->GetRanks();
  const std::int64_t slab = slabOf(trace, layer);
  const auto slabs = ranks.gather(std::vector<std::int64_t>{ slab });
  const auto owner =
    std::find_if(slabs.begin(), slabs.end(), [](const auto& one) { return one.front() >= 0; });
  if (owner == slabs.end())
  {
    lvlm::fail("the complete attention of layer ", layer, " is on none of the ranks");
  }
  const int rank = static_cast<int>(owner - slabs.begin());
  lvlm::ranks::Message message;
  if (rank == ranks.rank())
  {
    message.head = lvlm::causal::bytesOf(this->Explain(trace, slab, heads, token));
  }
  return lvlm::causal::explanationsOf(ranks.broadcast(std::move(message), rank).head);
}

void vtkLVLMCausalGraph::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector**, vtkInformationVector* outputs)
{
  this->CheckSettings();
  const std::int64_t layer = recordedLayer(trace, this->Layer);
  const lvlm::Indices token =
    lvlm::resolveIndices(this->GetTokensToUse(trace, outputs), trace.answerLength(), "AnswerToken");
  lvlm::Selection best;
  lvlm::Indices heads =
    lvlm::resolveIndices(this->Heads, trace.tensor(tn::AttentionFull).extent(1), "Heads");
  if (this->BestHeads > 0)
  {
    requireSameHeads(trace);
    best = this->Select(trace, token, {}, BEST_OF_EACH_LAYER); // in a ranking of all layers
    best.layers = { layer };
    best.places = lvlm::placesOf(best, trace.layerTotal, trace.tensor(tn::AttentionFull).extent(1));
    heads = lvlm::headsOf(best.places);
  }
  if (heads.empty())
  {
    lvlm::fail("the trace's complete attention has no heads");
  }
  const lvlm::HeadExplanations explained = this->ExplainOnRanks(trace, layer, heads, token.front());

  const lvlm::TraceShape shape = lvlm::shapeOf(trace);
  const lvlm::ImageGeometry grid = lvlm::gridCells(shape);
  lvlm::GraphDrawing graph = this->Drawing == UNION_OF_HEADS
    ? lvlm::unionOfHeads(explained, this->MinimumHeads)
    : lvlm::graphOfHead(explained[lvlm::mostImportantHead(explained)]);
  if (this->Nodes == EXPLANATION)
  {
    lvlm::keepExplanation(graph);
  }
  if (graph.nodes.size() < 2)
  {
    graph = {}; // the token alone would look like an explanation
  }
  lvlm::placeGraph(graph, trace, grid);
  lvlm::drawGraph(graph, lvlm::inkOf(this->TextColor, this->BackgroundColor),
    vtkPolyData::GetData(outputs, GRAPH));
  addPlaces(vtkPolyData::GetData(outputs, GRAPH), trace);
  const std::string from = bestText(heads.size(), this->GetBestText(2));
  lvlm::addText(vtkPolyData::GetData(outputs, GRAPH), "heads",
    "layer " + std::to_string(layer) + headsText(explained, this->Drawing == UNION_OF_HEADS) +
      from);
  lvlm::fillNodeTable(explained, trace, vtkTable::GetData(outputs, NODES));
  lvlm::fillEdgeTable(explained, trace, vtkTable::GetData(outputs, EDGES));
  addWeights(
    lvlm::weightMap(explained, trace), trace, data, grid, vtkImageData::GetData(outputs, WEIGHTS));
  lvlm::fillHeadTable(explained, trace, vtkTable::GetData(outputs, HEADS));
  this->TellTokens(trace, { token.front() }, outputs);
  this->TellHeads(best, outputs);
  lvlm::addText(vtkPolyData::GetData(outputs, GRAPH), "explanation", explanationText(graph));
  auto* weights = vtkImageData::GetData(outputs, WEIGHTS);
  lvlm::addText(weights, "heads", "layer " + std::to_string(layer) + weightsText(explained) + from);
  lvlm::addLegend(weights, "Weight in the explanation", "weight");
}
