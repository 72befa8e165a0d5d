// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMLegends
 * @brief legends whose numbers do not run into each other on a screen of high resolution
 *
 * VTK puts a number every 45 pixels, however many pixels a letter has. Where there are more than
 * usual, a legend of what is made of a trace gets a few round numbers of its range instead, before
 * its view is drawn; on a usual screen legends are left alone.
 */
#ifndef pqLVLMLegends_h
#define pqLVLMLegends_h

#include <QObject>

class pqView;

class pqLVLMLegends : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
  explicit pqLVLMLegends(QObject* parent = nullptr);
  ~pqLVLMLegends() override;

private Q_SLOTS:
  void watch(pqView* view);

private:
  Q_DISABLE_COPY(pqLVLMLegends)
};

#endif
