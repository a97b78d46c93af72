using System.Runtime.CompilerServices;

namespace Fairlead.Tests;

/// <summary>
/// Files of tests/fixtures. A .hex file is hex bytes; lines that begin with # say where they came from.
/// </summary>
public static class Fixture
{
    public static string Root { get; } = Path.GetFullPath(Path.Combine(SourceFolder(), "..", "fixtures"));

    public static string Repository { get; } = Path.GetFullPath(Path.Combine(SourceFolder(), "..", ".."));

    public static string PathOf(string name) => Path.Combine(Root, name);

    public static byte[] Hex(string name)
    {
        IEnumerable<string> lines = File.ReadLines(PathOf(name)).Where(line => !line.StartsWith('#'));
        return Convert.FromHexString(string.Concat(lines).Replace(" ", "", StringComparison.Ordinal));
    }

    private static string SourceFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
