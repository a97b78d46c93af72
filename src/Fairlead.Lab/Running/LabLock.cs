using System.Globalization;
using System.Text;

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

        file.SetLength(0);
        file.Write(Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
        file.Flush();
        return new LabLock(file);
    }

    public void Dispose() => file.Dispose();

    private static string HolderOf(string path)
    {
        // Sharing everything takes no lock, so reading beside the holder is allowed.
        using var shared = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(shared);
        return reader.ReadToEnd() is { Length: > 0 } pid ? pid : "(just starting)";
    }
}
