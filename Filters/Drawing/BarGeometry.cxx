// SPDX-License-Identifier: Apache-2.0
#include "BarGeometry.h"

#include "ShortText.h"
#include "TextShape.h"

#include "vtkCellArray.h"
#include "vtkCellData.h"
#include "vtkIntArray.h"
#include "vtkNew.h"
#include "vtkPoints.h"
#include "vtkPolyData.h"
#include "vtkUnsignedCharArray.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace lvlm
{

namespace
{
constexpr double Length = 10.0; // of a bar at full scale
constexpr double LabelRoom = 6.2;
constexpr double ValueRoom = 2.2;
constexpr double Thickness = 0.62;
constexpr double Capital = 0.42; // height of a capital letter
constexpr double Gap = 0.3;
constexpr std::size_t LongestLabel = 22;

constexpr Colour Plain{ 128, 156, 190 };
constexpr Colour Highlighted{ 222, 107, 31 };
constexpr Colour First{ 32, 90, 150 };
constexpr Colour FirstOnDark{ 84, 176, 250 };
constexpr double Track = 0.09;   // between background and text
constexpr double WordGap = 0.22; // between words, and from a word to its box's edge
constexpr double Underline = 0.09;

class Shapes
{
public:
  void rectangle(double left, double right, double middle, double z, int row, const Colour& colour)
  {
    this->box(left, right, middle - 0.5 * Thickness, middle + 0.5 * Thickness, z, row, colour);
  }

  /// Text that starts at `x`, or ends there.
  void text(const std::string& words, double x, bool endsThere, double middle, int row)
  {
    const TextShape shape = shapeOfText(words);
    const double left = endsThere ? x - Capital * shape.width : x;
    const vtkIdType first = this->Points->GetNumberOfPoints();
    for (const auto& p : shape.points)
    {
      this->Points->InsertNextPoint(left + Capital * p[0], middle + Capital * p[1], 0.2);
    }
    for (const auto& t : shape.triangles)
    {
      const std::array<vtkIdType, 3> ids{ first + t[0], first + t[1], first + t[2] };
      this->Polys->InsertNextCell(3, ids.data());
      this->describe(row, this->Style.text);
    }
  }

  /// A box of any height.
  void box(
    double left, double right, double low, double high, double z, int row, const Colour& colour)
  {
    const std::array<vtkIdType, 4> ids{ this->Points->InsertNextPoint(left, low, z),
      this->Points->InsertNextPoint(right, low, z), this->Points->InsertNextPoint(right, high, z),
      this->Points->InsertNextPoint(left, high, z) };
    this->Polys->InsertNextCell(4, ids.data());
    this->describe(row, colour);
  }

  /// Points without cells: they are not drawn but count for the bounds.
  void frame(double rows)
  {
    this->Points->InsertNextPoint(-LabelRoom - Gap, -rows, 0.0);
    this->Points->InsertNextPoint(Length + Gap + ValueRoom, 0.0, 0.0);
  }

  void give(vtkPolyData* output)
  {
    this->Row->SetName("row");
    this->Colours->SetName("color");
    output->SetPoints(this->Points);
    output->SetPolys(this->Polys);
    output->GetCellData()->SetScalars(this->Colours);
    output->GetCellData()->AddArray(this->Row);
  }

  explicit Shapes(const Ink& ink) : Style(ink) { this->Colours->SetNumberOfComponents(3); }

private:
  void describe(int row, const Colour& colour)
  {
    this->Row->InsertNextValue(row);
    this->Colours->InsertNextTypedTuple(colour.data());
  }

  Ink Style;
  vtkNew<vtkPoints> Points;
  vtkNew<vtkCellArray> Polys;
  vtkNew<vtkIntArray> Row;
  vtkNew<vtkUnsignedCharArray> Colours;
};

const Colour& colourOf(Bar::Look look, const Ink& ink)
{
  return look == Bar::Look::Highlighted ? Highlighted
    : look == Bar::Look::Plain          ? Plain
    : ink.onDark()                      ? FirstOnDark
                                        : First;
}
}

std::string textOfValue(double value, bool percent)
{
  std::array<char, 32> text{};
  const double shown = percent ? 100.0 * value : value;
  // Two or three digits tell bars apart; more would only be noise.
  const char* format = !percent ? "%.3g"
    : std::abs(shown) < 0.095   ? "%.2f %%"
    : std::abs(shown) < 9.95    ? "%.1f %%"
                                : "%.0f %%";
  std::snprintf(text.data(), text.size(), format, shown);
  return text.data();
}

void drawBars(const std::vector<Bar>& bars, const BarStyle& style, vtkPolyData* output)
{
  Shapes shapes(style.ink);
  // A note has half a row of air above it.
  shapes.frame(style.rows + (style.note.empty() ? 0 : 1.5));
  double middle = -0.5;
  for (const Bar& bar : bars)
  {
    const double part =
      style.fullScale > 0 ? std::clamp(bar.value / style.fullScale, 0.0, 1.0) : 0.0;
    shapes.rectangle(0, Length, middle, 0.0, bar.row, style.ink.between(Track));
    if (part > 0)
    {
      shapes.rectangle(0, part * Length, middle, 0.1, bar.row, colourOf(bar.look, style.ink));
    }
    shapes.text(shortened(bar.label, LongestLabel), -Gap, true, middle, bar.row);
    shapes.text(textOfValue(bar.value, style.percent), Length + Gap, false, middle, bar.row);
    middle -= 1.0;
  }
  if (!style.note.empty())
  {
    shapes.text(style.note, -LabelRoom, false, middle - 0.5, -1);
  }
  shapes.give(output);
}

void drawWords(const std::vector<Bar>& words, const BarStyle& style, vtkPolyData* output)
{
  Shapes shapes(style.ink);
  shapes.frame(style.rows);
  const double begin = -LabelRoom - Gap, end = Length + Gap + ValueRoom;
  const Colour& strong = style.ink.onDark() ? FirstOnDark : Plain;
  double x = begin, middle = -0.5;
  for (const Bar& word : words)
  {
    const std::string text = shortened(word.label, LongestLabel);
    const double width = Capital * shapeOfText(text).width + 2 * WordGap;
    if (x > begin && x + width > end)
    {
      x = begin;
      middle -= 1;
    }
    if (middle < -style.rows)
    {
      shapes.text("\u2026", end - WordGap, true, middle + 1, -1);
      break;
    }
    const double part =
      style.fullScale > 0 ? std::clamp(word.value / style.fullScale, 0.0, 1.0) : 0.0;
    Colour fill{};
    for (std::size_t i = 0; i < fill.size(); ++i)
    {
      const double pale = style.ink.background[i];
      fill[i] = static_cast<unsigned char>(std::lround(pale + part * (strong[i] - pale)));
    }
    shapes.rectangle(x, x + width, middle, 0.0, word.row, fill);
    if (word.look == Bar::Look::Highlighted)
    {
      const double low = middle - 0.5 * Thickness;
      shapes.box(x, x + width, low - Underline, low, 0.1, word.row, Highlighted);
    }
    shapes.text(text, x + WordGap, false, middle, word.row);
    x += width + 0.5 * WordGap;
  }
  shapes.give(output);
}

} // namespace lvlm
