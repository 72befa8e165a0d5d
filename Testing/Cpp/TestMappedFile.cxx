// SPDX-License-Identifier: Apache-2.0
// Files that are cut off, written to or replaced while they are mapped, and who gets a SIGBUS that
// is none of ours. Files that are written whole: what stands under the name before, during and
// after, with links, modes, devices and the longest of names.
#include "Check.h"
#include "TempFolder.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/FileReplacement.h"
#include "Models/Trace/MappedFile.h"
#include "Models/Trace/Safetensors.h"

#include <atomic>
#include <csetjmp>
#include <csignal>
#include <numeric>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace
{
using namespace lvlm;
using lvlm_test::readFile;
using lvlm_test::TempFolder;
namespace fs = std::filesystem;

constexpr std::size_t Size = 1 << 20;

std::uint64_t sumOf(const std::byte* data, std::size_t size)
{
  return std::accumulate(data, data + size, std::uint64_t(0),
    [](std::uint64_t sum, std::byte b) { return sum + std::to_integer<std::uint64_t>(b); });
}

void testCutOff(const TempFolder& folder)
{
  const std::string path = folder.write("cut", std::string(Size, 'x'));
  const auto file = MappedFile::open(path);
  file->requireIntact();
  CHECK(sumOf(file->data(), Size) == Size * 'x');
  CHECK(::truncate(path.c_str(), Size / 4) == 0);
  std::atomic<int> right{ 0 };
  std::vector<std::thread> readers;
  for (int i = 0; i < 8; ++i)
  {
    readers.emplace_back(
      [&]
      {
        const auto backwards = Size - 1 - static_cast<std::size_t>(::rand()) % Size;
        sumOf(file->data() + backwards, Size - backwards);
        right += sumOf(file->data(), Size / 4) == Size / 4 * 'x';
      });
  }
  for (std::thread& reader : readers)
  {
    reader.join();
  }
  CHECK(right == 8);
  CHECK_THROWS(file->requireIntact(), path + ": was cut off while it was open");
  // Long again: what was read in between is lost all the same.
  CHECK(::truncate(path.c_str(), Size) == 0);
  CHECK_THROWS(file->requireIntact(), path);
  MappedFile::open(path)->requireIntact();
}

void testWrittenTo(const TempFolder& folder)
{
  const std::string path = folder.write("written", std::string(Size, 'x'));
  const auto file = MappedFile::open(path);
  std::this_thread::sleep_for(std::chrono::milliseconds(20)); // the clock of file times is coarse
  folder.write("written", std::string(Size, 'y'));
  CHECK_THROWS(file->requireIntact(), path + ": was written to while it was open");

  const auto other = MappedFile::open(path);
  Tensor inside;
  inside.data = other->data() + Size - 1;
  requireIntact(inside);
  requireIntact(Tensor::of<float>({ 1 }, { 1 })); // in no file
  fs::rename(folder.write("new", "new"), path);   // a rename leaves what is open as it was
  requireIntact(inside);
  fs::remove(path);
  requireIntact(inside);
  CHECK(sumOf(other->data(), Size) == Size * 'y');
}

void testTensors(const TempFolder& folder)
{
  std::map<std::string, Tensor> tensors;
  tensors["own"] = Tensor::of<float>({ 1 }, { 1 });
  for (const char* name : { "a", "b" })
  {
    writeSafetensors(folder.path(name), tensors, {});
    const SafetensorsFile read(folder.path(name));
    tensors[name] = read.tensor("own");
  }
  requireIntact(tensors);
  CHECK(::truncate(folder.path("a").c_str(), 10) == 0);
  CHECK_THROWS(requireIntact(tensors), folder.path("a"));
  // Neither is a copy made of such, nor the file that was there lost.
  const std::string before = readFile(folder.path("b"));
  CHECK_THROWS(writeSafetensors(folder.path("b"), tensors, {}), folder.path("a"));
  CHECK(readFile(folder.path("b")) == before);
}

sigjmp_buf Back;
void jumpBack(int)
{
  siglongjmp(Back, 1);
}

struct sigaction Older;
void callOlder(int signal, siginfo_t* info, void* context)
{
  Older.sa_sigaction(signal, info, context);
}

/// A page of a mapping that nobody registered, behind the end of its file.
volatile const char* lostPage(const TempFolder& folder)
{
  const std::string path = folder.write("foreign", std::string(Size, 'x'));
  const int file = ::open(path.c_str(), O_RDONLY);
  const void* data = ::mmap(nullptr, Size, PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  CHECK(::truncate(path.c_str(), 0) == 0);
  return static_cast<volatile const char*>(data);
}

/// Whether a process that does `work` ends there: by the signal, or by what a sanitizer does at it.
bool dies(const std::function<void()>& work)
{
  const pid_t child = ::fork();
  if (child == 0)
  {
    work();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) == SIGBUS : WEXITSTATUS(status) != 0;
}

void testForeignFaults(const TempFolder& folder)
{
  volatile const char* lost = lostPage(folder);
  CHECK(dies([&] { (void)*lost; }));
  CHECK(dies([] { ::raise(SIGBUS); }));
  // The handler that was there before, and one that came later: it has the foreign fault, and ours
  // is back with the next file.
  ::signal(SIGBUS, jumpBack);
  const auto file = MappedFile::open(folder.write("own", std::string(Size, 'x')));
  for (int i = 0; i < 2; ++i)
  {
    if (sigsetjmp(Back, 1) == 0)
    {
      (void)*lost;
      CHECK(false);
    }
  }
  CHECK(::truncate(file->path().c_str(), 0) == 0);
  CHECK(sumOf(file->data(), Size) == 0);
  CHECK_THROWS(file->requireIntact(), "own");
  // One that calls ours, which calls it again.
  struct sigaction chaining
  {
  };
  chaining.sa_sigaction = callOlder;
  chaining.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &chaining, &Older);
  const auto another = MappedFile::open(folder.write("another", std::string(Size, 'x')));
  CHECK(dies([&] { (void)*lost; }));
}

unsigned int modeOf(const std::string& path)
{
  struct stat status
  {
  };
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

void replace(const std::string& path, const std::string& content)
{
  FileReplacement file(path);
  file.write(content.data(), content.size());
  file.commit();
}

std::size_t filesIn(const std::string& folder)
{
  return static_cast<std::size_t>(
    std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

void testReplacement(const TempFolder& folder)
{
  fs::create_directory(folder.path("w"));
  const std::string path = folder.path("w/file");
  const mode_t mask = ::umask(027);
  replace(path, "one");
  ::umask(mask);
  CHECK(readFile(path) == "one" && modeOf(path) == 0640);
  ::chmod(path.c_str(), 0604);
  {
    FileReplacement file(path);
    file.write("two", 3);
    CHECK(readFile(path) == "one");
  }
  CHECK(readFile(path) == "one" && filesIn(folder.path("w")) == 1);
  replace(path, "three");
  CHECK(readFile(path) == "three" && modeOf(path) == 0604 && filesIn(folder.path("w")) == 1);

  // Links: through two of them, one relative; and one that leads to nothing yet.
  fs::create_symlink("w/file", folder.path("link"));
  fs::create_symlink(folder.path("link"), folder.path("link2"));
  replace(folder.path("link2"), "four");
  CHECK(readFile(path) == "four" && fs::is_symlink(folder.path("link2")));
  fs::create_symlink("w/later", folder.path("dangling"));
  replace(folder.path("dangling"), "five");
  CHECK(readFile(folder.path("w/later")) == "five" && fs::is_symlink(folder.path("dangling")));
  fs::create_symlink("round", folder.path("round"));
  CHECK_THROWS(replace(folder.path("round"), "six"), folder.path("round"));

  CHECK(::mkfifo(folder.path("pipe").c_str(), 0600) == 0);
  fs::create_symlink("pipe", folder.path("to_pipe"));
  for (const std::string& other :
    { folder.path("pipe"), folder.path("to_pipe"), folder.path("w"), std::string("/dev/null") })
  {
    CHECK_THROWS(replace(other, "seven"), other + ": is there and no regular file");
  }
  CHECK(fs::is_fifo(folder.path("pipe")) && fs::is_character_file("/dev/null"));
  const std::string longest = folder.path("w/" + std::string(255, 'n'));
  replace(longest, "eight");
  replace(longest, "nine");
  CHECK(readFile(longest) == "nine");
  CHECK_THROWS(replace(folder.path("nowhere/file"), "ten"), folder.path("nowhere/file"));
  if (::geteuid() != 0)
  {
    ::chmod(path.c_str(), 0400);
    CHECK_THROWS(replace(path, "eleven"), path + ": cannot be written");
  }
}
}

int main()
{
  const TempFolder folder;
  testCutOff(folder);
  testWrittenTo(folder);
  testTensors(folder);
  testForeignFaults(folder);
  testReplacement(folder);
  return lvlm_test::checkResult();
}
