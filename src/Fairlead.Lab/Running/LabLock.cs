using System.Globalization;

namespace Fairlead.Lab.Running;

/// <summary>
/// One lab process at a time for a prefix. The lock is the kernel's (flock), so it goes with its holder however that
/// ends; the file stays, because deleting it would let two processes hold two files of one name.
/// </summary>
internal sealed class LabLock : IDisposable
{
    private readonly FileStream file;

    private LabLock(FileStream file) => this.file = file;

    /// <summary>LabException(Busy) that names the process which holds it.</summary>
    public static LabLock Take(string runRoot, string prefix)
    {
        Directory.CreateDirectory(runRoot);
        string path = Path.Combine(runRoot, $"{prefix}.lock");
        FileStream file;
        try
        {
            // FileShare.None is flock(LOCK_EX | LOCK_NB) on Linux.
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException held) when (held is not (DirectoryNotFoundException or PathTooLongException))
        {
            throw new LabException(LabFault.Busy, $"process {HolderOf(path)} works on the lab; wait for it or end it");
        }

        // In a file of its own: .NET refuses even to read a file that is locked.
        File.WriteAllText(PidFile(path), Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        return new LabLock(file);
    }

    public void Dispose() => file.Dispose();

    private static string PidFile(string path) => Path.ChangeExtension(path, "pid");

    private static string HolderOf(string path) =>
        File.Exists(PidFile(path)) && File.ReadAllText(PidFile(path)) is { Length: > 0 } pid ? pid : "(just starting)";
}
