// SPDX-License-Identifier: Apache-2.0
#include "CausalMessage.h"

#include "Models/Trace/Error.h"

namespace lvlm
{

namespace
{
using causal::Mark;

class Writer
{
public:
  template <typename... T>
  void put(const T&... values)
  {
    (this->Numbers.push_back(static_cast<double>(values)), ...);
  }
  template <typename T>
  void putList(const std::vector<T>& values)
  {
    this->put(values.size());
    for (const T& value : values)
    {
      this->put(value);
    }
  }

  std::vector<double> Numbers;
};

class Reader
{
public:
  explicit Reader(const std::vector<double>& numbers) : Numbers(numbers) {}

  template <typename T>
  T take()
  {
    if (this->At == this->Numbers.size())
    {
      fail("explanations from another rank end after ", this->At, " numbers");
    }
    return static_cast<T>(this->Numbers[this->At++]);
  }
  std::size_t takeSize()
  {
    const auto size = this->take<std::size_t>();
    if (size > this->Numbers.size() - this->At)
    {
      fail("explanations from another rank are cut off: ", size, " numbers of ",
        this->Numbers.size() - this->At);
    }
    return size;
  }
  template <typename T>
  std::vector<T> takeList()
  {
    std::vector<T> values(this->takeSize());
    for (T& value : values)
    {
      value = this->take<T>();
    }
    return values;
  }
  template <typename T>
  void take(T& value)
  {
    value = this->take<T>();
  }

private:
  const std::vector<double>& Numbers;
  std::size_t At = 0;
};

void pack(const causal::HeadExplanation& head, Writer& out)
{
  out.put(head.head, head.importance, head.nodes.size());
  for (const auto& node : head.nodes)
  {
    out.put(node.position, node.radius, node.weight, node.attention);
  }
  out.put(head.edges.size());
  for (const auto& edge : head.edges)
  {
    out.put(edge.source, edge.target, static_cast<int>(edge.sourceMark),
      static_cast<int>(edge.targetMark), edge.pValue);
  }
  out.put(head.separations.size());
  for (const auto& separation : head.separations)
  {
    out.put(separation.first, separation.second, separation.pValue);
    out.putList(separation.given);
  }
  out.putList(head.testsByOrder);
  out.put(head.explanationByRadius.size());
  for (const auto& positions : head.explanationByRadius)
  {
    out.putList(positions);
  }
}

causal::HeadExplanation unpack(Reader& in)
{
  causal::HeadExplanation head;
  in.take(head.head);
  in.take(head.importance);
  head.nodes.resize(in.takeSize());
  for (auto& node : head.nodes)
  {
    in.take(node.position);
    in.take(node.radius);
    in.take(node.weight);
    in.take(node.attention);
  }
  head.edges.resize(in.takeSize());
  for (auto& edge : head.edges)
  {
    in.take(edge.source);
    in.take(edge.target);
    edge.sourceMark = static_cast<Mark>(in.take<int>());
    edge.targetMark = static_cast<Mark>(in.take<int>());
    in.take(edge.pValue);
  }
  head.separations.resize(in.takeSize());
  for (auto& separation : head.separations)
  {
    in.take(separation.first);
    in.take(separation.second);
    in.take(separation.pValue);
    separation.given = in.takeList<int>();
  }
  head.testsByOrder = in.takeList<std::int64_t>();
  head.explanationByRadius.resize(in.takeSize());
  for (auto& positions : head.explanationByRadius)
  {
    positions = in.takeList<int>();
  }
  return head;
}
}

std::vector<double> packExplanations(const HeadExplanations& heads)
{
  Writer out;
  out.put(heads.size());
  for (const auto& head : heads)
  {
    pack(head, out);
  }
  return std::move(out.Numbers);
}

HeadExplanations unpackExplanations(const std::vector<double>& numbers)
{
  Reader in(numbers);
  HeadExplanations heads(in.takeSize());
  for (auto& head : heads)
  {
    head = unpack(in);
  }
  return heads;
}

} // namespace lvlm
