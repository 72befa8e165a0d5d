// SPDX-License-Identifier: Apache-2.0
/// @file NodeSet.h
/// A set of graph nodes, walked in ascending order.
#ifndef LVLM_CAUSAL_NODE_SET_H
#define LVLM_CAUSAL_NODE_SET_H

#include <array>
#include <cstddef>
#include <cstdint>

#ifdef _MSC_VER
#include <intrin.h>
#endif

namespace lvlm::causal
{

/// Fixed-size bit set over nodes 0 .. Capacity-1: one cache line, no allocation, so that the rules
/// of Orientation.h are a handful of word operations. Ascending iteration makes every result
/// reproducible.
class NodeSet
{
  static constexpr std::size_t Words = 8;

public:
  static constexpr int Capacity = 64 * static_cast<int>(Words);

  NodeSet() = default;
  /// {0, ..., count - 1}
  static NodeSet firstNodes(int count)
  {
    NodeSet set;
    for (int node = 0; node < count; ++node)
    {
      set.insert(node);
    }
    return set;
  }

  void insert(int node) { this->Bits[word(node)] |= bit(node); }
  void erase(int node) { this->Bits[word(node)] &= ~bit(node); }
  bool contains(int node) const { return (this->Bits[word(node)] & bit(node)) != 0; }

  bool empty() const
  {
    std::uint64_t any = 0;
    for (const std::uint64_t bits : this->Bits)
    {
      any |= bits;
    }
    return any == 0;
  }

  int count() const
  {
    int total = 0;
    for (std::uint64_t bits : this->Bits)
    {
      for (; bits != 0; bits &= bits - 1)
      {
        ++total;
      }
    }
    return total;
  }

  bool isSubsetOf(const NodeSet& other) const { return (*this - other).empty(); }

  NodeSet& operator&=(const NodeSet& other)
  {
    for (std::size_t i = 0; i < Words; ++i)
    {
      this->Bits[i] &= other.Bits[i];
    }
    return *this;
  }
  NodeSet& operator|=(const NodeSet& other)
  {
    for (std::size_t i = 0; i < Words; ++i)
    {
      this->Bits[i] |= other.Bits[i];
    }
    return *this;
  }
  NodeSet& operator-=(const NodeSet& other)
  {
    for (std::size_t i = 0; i < Words; ++i)
    {
      this->Bits[i] &= ~other.Bits[i];
    }
    return *this;
  }
  friend NodeSet operator&(NodeSet a, const NodeSet& b) { return a &= b; }
  friend NodeSet operator|(NodeSet a, const NodeSet& b) { return a |= b; }
  friend NodeSet operator-(NodeSet a, const NodeSet& b) { return a -= b; }
  friend bool operator==(const NodeSet& a, const NodeSet& b) { return a.Bits == b.Bits; }
  friend bool operator!=(const NodeSet& a, const NodeSet& b) { return !(a == b); }

  /// Walks a copy of the set, so that the loop's body may change the original.
  class Iterator
  {
  public:
    Iterator(const std::array<std::uint64_t, Words>& bits, std::size_t word)
      : Bits(bits), Word(word)
    {
      this->skipEmptyWords();
    }
    int operator*() const
    {
      return static_cast<int>(this->Word * 64) + lowestBit(this->Bits[this->Word]);
    }
    Iterator& operator++()
    {
      this->Bits[this->Word] &= this->Bits[this->Word] - 1;
      this->skipEmptyWords();
      return *this;
    }
    bool operator!=(const Iterator& end) const { return this->Word != end.Word; }

  private:
    void skipEmptyWords()
    {
      while (this->Word < Words && this->Bits[this->Word] == 0)
      {
        ++this->Word;
      }
    }
    std::array<std::uint64_t, Words> Bits;
    std::size_t Word;
  };
  Iterator begin() const { return { this->Bits, 0 }; }
  Iterator end() const { return { this->Bits, Words }; }

private:
  static std::size_t word(int node) { return static_cast<std::size_t>(node) / 64; }
  static std::uint64_t bit(int node) { return std::uint64_t{ 1 } << (node % 64); }
  static int lowestBit(std::uint64_t bits)
  {
#ifdef _MSC_VER
    unsigned long index = 0;
    _BitScanForward64(&index, bits);
    return static_cast<int>(index);
#else
    return __builtin_ctzll(bits);
#endif
  }

  std::array<std::uint64_t, Words> Bits{};
};

} // namespace lvlm::causal

#endif
