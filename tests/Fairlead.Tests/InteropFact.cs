namespace Fairlead.Tests;

/// <summary>
/// A test that needs root and these programs, or folders of the repository that ./test fetches. Where one is missing it
/// is skipped, but under CI it fails.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class InteropFactAttribute : FactAttribute
{
    public InteropFactAttribute(params string[] programs)
    {
        Programs = programs;
        if (Environment.GetEnvironmentVariable("CI") is { Length: > 0 }) return;
        string? missing = programs.FirstOrDefault(program => !IsInstalled(program));
        if (missing is not null) Skip = $"needs {missing}";
        else if (!Environment.IsPrivilegedProcess) Skip = "needs root";
    }

    public IReadOnlyList<string> Programs { get; }

    private static bool IsInstalled(string program) => program.Contains('/', StringComparison.Ordinal)
        ? Directory.Exists(Path.Combine(Fixture.Repository, program))
        : new[] { "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/lib/frr" }
            .Any(folder => File.Exists(Path.Combine(folder, program)));
}
